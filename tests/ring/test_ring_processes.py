"""RingBuffer between processes: every byte, every start method, and sides that die."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from typing import Any

import pytest
import ring_workers
from growable import RingBuffer, Section, StateError
from support import PAGE

METHODS = multiprocessing.get_all_start_methods()


@pytest.fixture(params=METHODS)
def context(request: pytest.FixtureRequest) -> Any:
    """Give multiprocessing under each start method."""
    return multiprocessing.get_context(request.param)


def start(context: Any, target: Any, *args: Any) -> Any:
    """Run a function in a process."""
    process = context.Process(target=target, args=args)
    process.start()
    return process


def finish(process: Any) -> None:
    """See it end well."""
    process.join(60)
    assert process.exitcode == 0


def test_every_byte(context: Any) -> None:
    ring = RingBuffer(3 * PAGE)
    process = start(context, ring_workers.send, ring, 20, 50_000)
    for number in range(20):
        expected = ring_workers.message(number, 50_000)
        rest = expected
        while rest:
            part = ring.read(min(len(rest), ring.capacity), timeout=60)
            assert rest.startswith(part)
            rest = rest[len(part) :]
    with pytest.raises(EOFError):
        ring.read(1, timeout=60)
    assert ring.writer_gone
    finish(process)


def test_floats_there_and_back(context: Any) -> None:
    np = pytest.importorskip("numpy")
    there, back = RingBuffer(1000, "f8"), RingBuffer(1000, "f8")
    process = start(context, ring_workers.double, there, back)
    got = 0
    for first in range(0, 20_000, 400):
        there.write(np.arange(first, first + 400.0), timeout=60)
        values = back.read(400, timeout=60)
        assert values.tolist() == list(np.arange(first, first + 400.0) * 2)
        got += len(values)
    there.close()
    finish(process)
    assert got == 20_000


def kill(process: Any) -> None:
    """Kill a process, which nobody has waited for yet."""
    os.kill(process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def test_the_writer_is_killed(context: Any) -> None:
    ring = RingBuffer(PAGE)
    ours, theirs = context.Pipe()
    process = start(context, ring_workers.write_and_hang, ring, theirs)
    assert ours.recv()
    assert (ring.writer, ring.writer_gone) == (process.pid, False)
    with pytest.raises(StateError, match=str(process.pid)):
        ring.write(b"a")
    begun = time.monotonic()
    kill(process)
    assert ring.read(20, timeout=60) == b"last words"
    with pytest.raises(EOFError):
        ring.read(20, timeout=60)
    assert time.monotonic() - begun < 30
    assert (ring.writer, ring.writer_gone) == (None, True)
    assert ring.write(b"mine now") == 8
    process.join()


def test_the_reader_is_killed(context: Any) -> None:
    ring = RingBuffer(PAGE)
    ours, theirs = context.Pipe()
    process = start(context, ring_workers.read_and_hang, ring, theirs)
    ring.write(b"a")
    assert ours.recv()
    kill(process)
    with pytest.raises(BrokenPipeError):
        ring.write(bytes(2 * ring.capacity), timeout=60)
    with pytest.raises(BrokenPipeError):
        ring.wait_writable(timeout=60)
    assert ring.reader_gone
    assert len(ring.read()) == ring.capacity
    process.join()


def test_by_name() -> None:
    name = f"growable-ring-{os.getpid()}"
    made = RingBuffer(10, section=Section(4 * PAGE if PAGE > 4096 else 1 << 18, name))
    joined = RingBuffer(10, section=Section.open(name))
    made.write(b"abc")
    assert joined.read() == b"abc"


def test_by_name_from_another_process(context: Any) -> None:
    name = f"growable-ring-far-{os.getpid()}"
    ring = RingBuffer(10, section=Section(4 * PAGE if PAGE > 4096 else 1 << 18, name))
    process = start(context, ring_workers.send_by_name, name, 5, 10_000)
    for number in range(5):
        rest = ring_workers.message(number, 10_000)
        while rest:
            part = ring.read(min(len(rest), ring.capacity), timeout=60)
            assert rest.startswith(part)
            rest = rest[len(part) :]
    with pytest.raises(EOFError):
        ring.read(1, timeout=60)
    finish(process)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_has_no_ends() -> None:
    ring = RingBuffer(PAGE)
    ring.write(b"abc")
    ring.read(1)
    child = os.fork()
    if child == 0:
        try:
            ring.write(b"d")
        except StateError:
            os._exit(len(ring))
        os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    assert ring.read() == b"bc"
