"""RingBuffer in one process: bytes, windows, views, and what is refused."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import time
import weakref
from collections.abc import Callable

import growable
import pytest
from growable import CommitError, RingBuffer, Section, StateError
from support import PAGE, pattern


def test_capacity_is_rounded_up_and_told() -> None:
    for asked in (1, PAGE, PAGE + 1, 10 * PAGE):
        ring = RingBuffer(asked)
        assert ring.capacity == ring.maxlen >= asked
        assert ring.capacity % PAGE == 0
        assert ring.itemsize == 1
        assert ring.dtype is None


def test_every_window_is_contiguous() -> None:
    ring = RingBuffer(PAGE)
    stream = pattern(10 * ring.capacity)
    read, written = 0, 0
    while read < len(stream):
        written += ring.write(stream[written : written + 1000])
        view = ring.view()
        assert view.contiguous
        assert bytes(view) == stream[read:written]
        del view
        ring.consume(min(700, len(ring)))
        read = written - len(ring)


def test_write_takes_what_there_is_room_for() -> None:
    ring = RingBuffer(1)
    assert ring.write(bytes(ring.capacity - 3)) == ring.capacity - 3
    assert ring.write(b"abcdef") == 3
    assert ring.write(b"abcdef") == 0
    assert ring.is_full
    assert bytes(ring.view(-3)) == b"abc"


def test_extend_takes_all_or_nothing() -> None:
    ring = RingBuffer(1)
    ring.extend(bytes(ring.capacity - 3))
    with pytest.raises(IndexError, match="full"):
        ring.extend(b"abcdef")
    assert len(ring) == ring.capacity - 3
    ring.extend([1, 2, 3])
    with pytest.raises(IndexError, match="full"):
        ring.append(1)
    with pytest.raises(IndexError, match="full"):
        ring.appendleft(1)


@pytest.mark.parametrize("size", [1, 10, 5000, 100_000])
def test_overwrite_keeps_the_newest(size: int) -> None:
    ring = RingBuffer(1, overwrite=True)
    stream = pattern(200_000)
    for start in range(0, len(stream), size):
        if size == 1 and start == 10_000:
            break
        ring.extend(stream[start : start + size])
        end = min(start + size, len(stream))
        assert bytes(ring.view()) == stream[max(end - ring.capacity, 0) : end]
    assert ring.write(stream) == len(stream)
    assert ring[:] == stream[-ring.capacity :]


def test_read_peek_consume() -> None:
    ring = RingBuffer(1)
    ring.write(b"abcdef")
    assert bytes(ring.peek(2)) == b"ab"
    assert ring.read(2) == b"ab"
    ring.consume(1)
    assert bytes(ring.peek()) == b"def"
    assert bytes(ring.peek(100)) == b"def"
    assert ring.read(0) == b""
    into = bytearray(2)
    assert ring.readinto(into) == 2
    assert into == b"de"
    assert ring.readinto(into) == 1
    assert ring.read() == b""
    with pytest.raises(ValueError, match="fewer"):
        ring.consume(1)


def test_view_is_a_slice() -> None:
    ring = RingBuffer(1)
    ring.write(b"abcdef")
    for start in (None, 0, 2, -2, 9, -9):
        for stop in (None, 0, 4, -1, 9, -9):
            assert bytes(ring.view(start, stop)) == b"abcdef"[start:stop]
    with pytest.raises(TypeError):
        ring.view("a")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        ring.view(1, 2, 3)  # type: ignore[call-arg]


def test_spare_and_advance() -> None:
    ring = RingBuffer(1)
    with ring.spare(5) as room:
        room[:] = b"hello"
        assert len(ring) == 0
        ring.advance(3)
        assert ring[:] == b"hel"
        ring.advance(2)
        with pytest.raises(ValueError, match="lent"):
            ring.advance(1)
    assert len(ring.spare()) == ring.capacity - 5
    with pytest.raises(IndexError, match="full"):
        ring.spare(ring.capacity)
    for wrong in (-1, 1 << 80):
        with pytest.raises(ValueError, match=r"at least 0|index|lent"):
            ring.advance(wrong)
    with pytest.raises(TypeError):
        ring.advance(None)  # type: ignore[arg-type]
    overwriting = RingBuffer(1, overwrite=True)
    overwriting.extend(bytes(overwriting.capacity))
    assert len(overwriting.spare(10)) == 10
    assert len(overwriting) == overwriting.capacity - 10


def test_a_view_keeps_its_items() -> None:
    ring = RingBuffer(1, overwrite=True)
    ring.extend(b"x" * ring.capacity)
    view = ring.view(0, 10)
    for refused in (
        lambda: ring.append(1),
        lambda: ring.consume(1),
        lambda: ring.read(1),
        ring.popleft,
        ring.clear,
        ring.close,
        lambda: ring.readinto(bytearray(1)),
        lambda: ring.write(b"a"),
    ):
        with pytest.raises(BufferError):
            refused()
    assert bytes(view) == b"x" * 10
    assert ring.pop() == ord("x")
    ring.append(ord("y"))
    part = view[3:5]
    view.release()
    with pytest.raises(BufferError):
        ring.popleft()
    part.release()
    ring.append(1)
    exported = memoryview(ring)
    assert len(exported) == ring.capacity
    with pytest.raises(BufferError):
        ring.popleft()
    exported.release()
    ring.close()


def test_items() -> None:
    ring = RingBuffer(1)
    ring.extend(b"abc")
    assert (ring[0], ring[-1], ring[1:], ring[::-1]) == (97, 99, b"bc", b"cba")
    ring[0] = 65
    ring[1:3] = b"BC"
    assert ring[:] == b"ABC"
    for wrong in (3, -4, 1 << 80):
        with pytest.raises(IndexError):
            ring[wrong]
    with pytest.raises(TypeError):
        del ring[0]
    with pytest.raises(TypeError):
        ring["a"]
    for item, error in ((256, ValueError), (-1, ValueError), ("a", TypeError)):
        with pytest.raises(error):
            ring.append(item)
    for items in ("abc", 5, None):
        with pytest.raises(TypeError):
            ring.extend(items)
    with pytest.raises(TypeError):
        ring.write([1, 2])


def test_an_iterator_that_fails_or_interferes() -> None:
    ring = RingBuffer(1)

    def items() -> object:
        yield 1
        ring.append(9)
        yield 2
        raise KeyError

    with pytest.raises(KeyError):
        ring.extend(items())
    assert ring[:] == b"\x09"


def test_wrong_arguments() -> None:
    for capacity in (0, -1, 1 << 80, (1 << 63) - 1):
        with pytest.raises(ValueError, match=r"capacity|RingBuffer|size|int"):
            RingBuffer(capacity)
    with pytest.raises(TypeError):
        RingBuffer("a")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        RingBuffer(1, section=b"")  # type: ignore[arg-type]
    with pytest.raises(CommitError):
        RingBuffer(1 << 50)
    ring = RingBuffer(1)
    for timeout in (-1, float("nan")):
        with pytest.raises(ValueError, match="timeout"):
            ring.read(1, timeout=timeout)
    with pytest.raises(ValueError, match="at least 0"):
        ring.read(-1)
    with pytest.raises(ValueError, match="never"):
        ring.wait_readable(ring.capacity + 1)


def test_close() -> None:
    with RingBuffer(1) as ring:
        ring.write(b"abc")
        assert "3 bytes" in repr(ring)
    assert ring.closed
    assert repr(ring) == "<closed growable.RingBuffer>"
    ring.close()
    for use in (
        lambda: len(ring),
        lambda: ring.append(1),
        lambda: ring.read(),
        lambda: ring.view(),
        lambda: ring.spare(),
        lambda: ring.pop(),
        lambda: ring[0],
        lambda: ring.writer,
        lambda: memoryview(ring),
        ring.__enter__,
        lambda: ring.write(b"a"),
        lambda: ring.wait_readable(timeout=0),
    ):
        with pytest.raises(StateError):
            use()


def test_copies_and_pickle() -> None:
    ring = RingBuffer(1)
    ring.extend(b"abc")
    for twin in (ring.copy(), copy.copy(ring), copy.deepcopy(ring)):
        twin.append(1)
        assert twin[:] == b"abc\x01"
    assert ring[:] == b"abc"
    with pytest.raises(TypeError, match="multiprocessing"):
        pickle.dumps(ring)


def test_lives_no_longer_than_it_must() -> None:
    ring = RingBuffer(1)
    ring.write(b"abc")
    alive = weakref.ref(ring)
    view = ring.view()
    del ring
    gc.collect()
    assert bytes(view) == b"abc"
    del view
    gc.collect()
    assert alive() is None


def test_two_over_one_section() -> None:
    ring = RingBuffer(100)
    other = RingBuffer(100, section=ring.section)
    assert other.write(b"abc") == 3
    assert ring.read() == b"abc"
    with pytest.raises(StateError, match="writes to"):
        ring.write(b"abc")
    with pytest.raises(StateError, match="reads from"):
        other.read()
    assert (ring.writer, ring.writer_gone) == (other.reader, False)
    other.close()
    assert (ring.writer, ring.writer_gone) == (None, True)
    with pytest.raises(EOFError):
        ring.wait_readable(timeout=5)
    assert ring.write(b"x") == 1


def test_sections_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="bytes"):
        RingBuffer(100 * PAGE, section=Section(2 * PAGE))
    used = Section(2 * growable.info()["granularity"])
    used.view()[:5] = b"12345"
    with pytest.raises(ValueError, match="something else"):
        RingBuffer(1, section=used)
    closed = Section(4 * PAGE)
    closed.close()
    with pytest.raises(StateError):
        RingBuffer(1, section=closed)


@pytest.mark.skipif(
    not growable.capabilities()["section_seal"], reason="sections cannot be sealed here"
)
def test_a_sealed_section_is_refused() -> None:
    sealed = Section(2 * growable.info()["granularity"])
    sealed.seal()
    with pytest.raises(StateError):
        RingBuffer(1, section=sealed)


def test_threads_that_wait() -> None:
    ring = RingBuffer(1)
    got = []
    stream = pattern(50 * ring.capacity)

    def receive() -> None:
        while sum(map(len, got)) < len(stream):
            got.append(ring.read(timeout=30))

    thread = threading.Thread(target=receive)
    thread.start()
    assert ring.write(stream, timeout=30) == len(stream)
    thread.join()
    assert b"".join(got) == stream


def test_time_outs() -> None:
    ring = RingBuffer(1)
    begun = time.monotonic()
    assert ring.read(1, timeout=0.05) == b""
    assert not ring.wait_readable(timeout=0.05)
    assert ring.wait_writable(ring.capacity)
    ring.write(bytes(ring.capacity))
    assert ring.write(b"abc", timeout=0.05) == 0
    assert not ring.wait_writable(timeout=0.05)
    assert 0.2 <= time.monotonic() - begun < 20
    into = bytearray(ring.capacity + 10)
    assert ring.readinto(into, timeout=5) == ring.capacity


def test_more_than_the_capacity_is_not_waited_for() -> None:
    ring = RingBuffer(1)
    too_many = ring.capacity + 1
    ring.write(b"abc")
    for wait in (ring.read, ring.peek, ring.wait_readable, ring.wait_writable):
        with pytest.raises(ValueError, match=f"never be {too_many} items, .* {ring.capacity}"):
            wait(too_many, timeout=30)
    assert bytes(ring.peek(too_many)) == b"abc"
    assert ring.read(too_many) == b"abc"


def test_waiting_does_not_burn_the_processor() -> None:
    ring = RingBuffer(1)
    begun = time.process_time()
    assert not ring.wait_readable(timeout=0.5)
    assert time.process_time() - begun < 0.2


def waiting(wait: Callable[[], object]) -> tuple[threading.Thread, list[str]]:
    """Start a thread, see it wait, and return it with what it will be told."""
    told: list[str] = []

    def run() -> None:
        try:
            told.append(repr(wait()))
        except (ValueError, OSError, EOFError) as error:
            told.append(f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.1)
    return thread, told


@pytest.mark.parametrize("timeout", [30, None])
def test_closing_ends_the_waits_of_other_threads(timeout: float | None) -> None:
    for wait in (
        lambda ring: ring.wait_readable(2, timeout),
        lambda ring: ring.read(8, timeout=timeout),
        lambda ring: ring.peek(8, timeout=timeout),
        lambda ring: ring.readinto(bytearray(8), timeout=timeout),
        lambda ring: ring.wait_writable(ring.capacity, timeout=timeout),
        lambda ring: ring.write(bytes(2 * ring.capacity), timeout=timeout),
    ):
        ring = RingBuffer(1)
        ring.append(1)
        thread, told = waiting(lambda ring=ring, wait=wait: wait(ring))  # type: ignore[misc]
        begun = time.monotonic()
        ring.close()
        thread.join(20)
        assert time.monotonic() - begun < 10
        assert ring.closed
        assert told[0].startswith("StateError")
        assert "RingBuffer(section=ring.section)" in told[0]


def test_a_view_keeps_the_ring_open_and_the_waits_going() -> None:
    ring = RingBuffer(1)
    ring.write(b"abc")
    view = ring.view()
    thread, told = waiting(lambda: ring.wait_readable(8, 30))
    with pytest.raises(BufferError, match="release"):
        ring.close()
    ring.write(b"defgh")
    thread.join(20)
    assert told == ["True"]
    view.release()
    ring.close()


def test_many_threads_wait_and_many_close() -> None:
    for _ in range(5):
        ring = RingBuffer(1)
        threads = [waiting(ring.wait_readable) for _ in range(2)]
        closers = [threading.Thread(target=ring.close) for _ in range(3)]
        for closer in closers:
            closer.start()
        for thread in closers + [thread for thread, _ in threads]:
            thread.join(20)
            assert not thread.is_alive()
        assert ring.closed
        assert all("closed" in told[0] for _, told in threads)


def test_two_objects_for_two_threads() -> None:
    """What the error and the documents recommend: the reader is told after the last item."""
    ring = RingBuffer(100)
    got = []

    def receive() -> None:
        with RingBuffer(section=ring.section) as mine:
            try:
                while True:
                    got.append(mine.read(timeout=None))
            except EOFError:
                got.append(b"end")

    thread = threading.Thread(target=receive)
    thread.start()
    stream = pattern(3 * ring.capacity)
    ring.write(stream, timeout=30)
    ring.close()
    thread.join(20)
    assert b"".join(got) == stream + b"end"


def test_a_subclass_that_keeps_a_view_of_itself_is_collected() -> None:
    class Keeper(RingBuffer):
        kept: memoryview

    ring = Keeper(1)
    ring.write(b"abc")
    ring.kept = ring.view()
    gone = weakref.ref(ring)
    del ring
    gc.collect()
    assert gone() is None
