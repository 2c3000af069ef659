"""Threads on one buffer, under the global interpreter lock: each method is atomic."""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from growable import Buffer
from support import EXPORTED_MESSAGE, check, pattern

THREADS = 4


@pytest.fixture(autouse=True)
def switch_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def run_all(*functions: Callable[[], object]) -> None:
    """Run the functions at once, and raise what the first of them raised."""
    errors: list[BaseException] = []
    start = threading.Barrier(len(functions))

    def call(function: Callable[[], object]) -> None:
        start.wait()
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=call, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@pytest.mark.parametrize("capacity", [None, 1 << 24])
def test_appends_all_arrive(capacity: int | None) -> None:
    buffer = Buffer(capacity=capacity)

    def work(value: int) -> None:
        for _ in range(20_000):
            buffer.append(value)

    run_all(*(lambda value=value: work(value) for value in range(THREADS)))
    assert len(buffer) == THREADS * 20_000
    for value in range(THREADS):
        assert buffer.count(bytes([value])) == 20_000
    check(buffer, bytes(buffer))


def test_extends_stay_in_one_piece() -> None:
    buffer = Buffer()

    def work(value: int) -> None:
        same = buffer
        for _ in range(3000):
            buffer.extend(bytes([value]) * 10)
            same += bytes([value]) * 10

    run_all(*(lambda value=value: work(value) for value in range(THREADS)))
    assert len(buffer) == THREADS * 60_000
    for at in range(0, len(buffer), 10):
        assert len(set(buffer[at : at + 10])) == 1


def test_iterables_stay_in_one_piece() -> None:
    """The items are collected before anything is appended, so other threads fall between."""
    buffer = Buffer()

    def work(value: int) -> None:
        for _ in range(300):
            buffer.extend(value for _ in range(50))

    run_all(*(lambda value=value: work(value) for value in range(THREADS)))
    assert len(buffer) == THREADS * 15_000
    for at in range(0, len(buffer), 50):
        assert len(set(buffer[at : at + 50])) == 1


def test_views_taken_while_it_grows() -> None:
    start = pattern(1000)
    buffer = Buffer(start)
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            with memoryview(buffer) as view:
                assert view[:1000].tobytes() == start

    def grow() -> None:
        try:
            for step in range(500):
                buffer.extend(pattern(500, step))
        finally:
            stop.set()

    run_all(grow, look, look, look)
    assert len(buffer) == 1000 + 500 * 500
    assert buffer.exports == 0


def test_a_queue_between_threads() -> None:
    buffer = Buffer()
    total = 400_000
    out = bytearray()
    lock = threading.Lock()

    source = pattern(total)

    def produce() -> None:
        for at in range(0, total, 777):
            with lock:
                buffer.extend(source[at : at + 777])

    def consume() -> None:
        while len(out) < total:
            with lock:
                if buffer:
                    out.extend(buffer.take_bytes(min(len(buffer), 500)))

    run_all(produce, consume)
    assert bytes(out) == source


def test_everything_at_once() -> None:
    """No result is promised but that nothing breaks: each call works or says why not."""
    buffer = Buffer(pattern(100))
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    allowed = (BufferError, IndexError, ValueError, MemoryError)

    def work(seed: int) -> None:
        choose = random.Random(seed)
        held: list[memoryview] = []
        acts: list[Callable[[], object]] = [
            lambda: buffer.append(1),
            lambda: buffer.extend(pattern(choose.randrange(5000))),
            lambda: buffer.pop(),
            lambda: buffer.pop(0),
            lambda: buffer.insert(choose.randrange(100), 5),
            lambda: buffer.__delitem__(slice(0, choose.randrange(3000))),
            lambda: buffer.__setitem__(slice(5, 50), b"abc"),
            lambda: buffer.resize(choose.randrange(50_000)),
            lambda: buffer.clear(),
            lambda: held.append(memoryview(buffer)),
            held.clear,
            held.clear,
            lambda: buffer.spare(choose.randrange(1000)).release(),
            lambda: buffer.advance(1),
            lambda: os.write(writer, b"x" * 100),
            lambda: buffer.read_from(reader, 500),
            lambda: buffer.find(b"\xff\xfe"),
            lambda: bytes(buffer),
            lambda: buffer.shrink_to_fit(),
            lambda: buffer.ensure(1000),
            lambda: buffer.take_bytes(min(len(buffer), 10)),
            lambda: buffer.reverse(),
            lambda: repr(buffer),
            lambda: buffer == b"x",
            lambda: Buffer(buffer),
        ]
        for _ in range(1500):
            try:
                choose.choice(acts)()
            except allowed:
                pass

    try:
        run_all(*(lambda seed=seed: work(seed) for seed in range(THREADS)))
    finally:
        os.close(reader)
        os.close(writer)
    assert buffer.exports == 0
    check(buffer, bytes(buffer))
    buffer += b"works"
    assert buffer.endswith(b"works")


def test_reading_lets_others_run_and_keeps_them_out() -> None:
    """A descriptor that blocks: other threads go on, but cannot change the length."""
    reader, writer = os.pipe()
    buffer = Buffer(b"head")
    refused: list[BaseException] = []
    started = threading.Event()

    def read() -> None:
        started.set()
        assert buffer.read_from(reader, 100) == 4

    def meddle() -> None:
        started.wait()
        while not refused:
            try:
                buffer.append(1)
                buffer.pop()
            except BufferError as error:
                refused.append(error)
        assert bytes(buffer[:4]) == b"head"
        os.write(writer, b"data")

    run_all(read, meddle)
    os.close(reader)
    os.close(writer)
    assert str(refused[0]) == EXPORTED_MESSAGE
    check(buffer)
    assert bytes(buffer).replace(b"\x01", b"") == b"headdata"  # refused may be the pop alone


def test_reading_into_several_buffers() -> None:
    pipes = [os.pipe() for _ in range(THREADS)]
    buffers = [Buffer() for _ in range(THREADS)]

    def write(index: int) -> None:
        for step in range(50):
            os.write(pipes[index][1], pattern(1000, step))
        os.close(pipes[index][1])

    def read(index: int) -> None:
        assert buffers[index].read_from(pipes[index][0]) == 50_000
        os.close(pipes[index][0])

    run_all(
        *(lambda i=i: write(i) for i in range(THREADS)),
        *(lambda i=i: read(i) for i in range(THREADS)),
    )
    for buffer in buffers:
        check(buffer, b"".join(pattern(1000, step) for step in range(50)))


def test_one_descriptor_into_one_buffer_from_several_threads() -> None:
    """Only one of them can be at it; the others are told so."""
    reader, writer = os.pipe()
    buffer = Buffer()
    counts: list[int] = []

    def read() -> None:
        while True:
            try:
                count = buffer.read_from(reader, 300)
            except BufferError:
                continue
            if not count:
                return
            counts.append(count)

    def write() -> None:
        for step in range(200):
            os.write(writer, pattern(100, step))
        os.close(writer)

    run_all(write, read, read, read)
    os.close(reader)
    assert sum(counts) == len(buffer) == 20_000
    check(buffer, b"".join(pattern(100, step) for step in range(200)))


def test_buffers_that_come_and_go() -> None:
    """The pool of reservations serves all threads."""

    def work() -> None:
        for step in range(300):
            content = pattern(step * 37)
            buffer = Buffer(content)
            with memoryview(buffer) as view:
                buffer += pattern(3000, step)
                assert view.tobytes() == content
            assert buffer[step * 37 :] == pattern(3000, step)
            del buffer[: step * 30]
            buffer.release()

    run_all(work, work, work, work)


def test_freeze_and_readers() -> None:
    content = pattern(10_000)
    buffer = Buffer(content)

    def read() -> None:
        for _ in range(500):
            with memoryview(buffer) as view:
                assert view.tobytes() == content

    def freeze() -> None:
        while True:
            try:
                buffer.freeze()
            except BufferError:
                continue
            return

    run_all(read, read, freeze)
    assert memoryview(buffer).readonly


def test_copies_and_pickles_of_a_moving_target() -> None:
    import copy
    import pickle

    buffer = Buffer(b"ab" * 100)
    stop = threading.Event()

    def change() -> None:
        try:
            for _ in range(1500):
                try:
                    buffer.extend(b"ab" * 50)
                    if len(buffer) > 20_000:
                        del buffer[:10_000]
                except BufferError:
                    pass
        finally:
            stop.set()

    def clone() -> None:
        while not stop.is_set():
            for twin in (copy.copy(buffer), pickle.loads(pickle.dumps(buffer)), Buffer(buffer)):
                assert len(twin) % 2 == 0
                assert twin.count(b"ab") * 2 == len(twin)

    run_all(change, clone, clone)


def test_a_long_copy_lets_others_run() -> None:
    """Another thread that wakes often does so while a large Buffer is being made."""
    source = bytes(128 << 20)
    ticks: list[float] = []
    done = threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.0005)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        for _ in range(20):
            begin = time.perf_counter()
            made = Buffer(source)
            end = time.perf_counter()
            assert len(made) == len(source)
            if sum(begin < at < end for at in ticks) >= 5:
                break
            made.release()
        else:
            pytest.fail("no other thread ran during a long copy")
    finally:
        done.set()
        thread.join()
