"""What a RingBuffer refuses, how a wait ends early, and what is told then."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import growable
import numpy as np
import pytest
from growable import RingBuffer, Section, StateError, _core
from support import run_child, under_sanitizer

UNIT = int(growable.info()["granularity"])

Use = Callable[[RingBuffer], Any]


class Interrupted(Exception):
    """What the signal handler raises."""


@contextmanager
def interruption(seconds: float) -> Iterator[None]:
    """Raise Interrupted in the main thread after that time."""

    def interrupt(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def filled() -> RingBuffer:
    ring = RingBuffer(1)
    ring.write(bytes(ring.capacity))
    return ring


def spoiled() -> RingBuffer:
    """Return a ring whose writer's index somebody has overwritten, in the section's first bytes."""
    ring = RingBuffer(1)
    header = ring.section.view(0, UNIT).cast("Q")
    ring.append(1)
    before = list(header)
    ring.write(b"abc")
    (index,) = (i for i, word in enumerate(header) if word == before[i] + 3)
    header[index] = 2**63 + 1
    return ring


@pytest.mark.parametrize(
    "use",
    [
        len,
        bytes,
        lambda ring: ring[0],
        lambda ring: ring.append(1),
        lambda ring: ring.appendleft(1),
        lambda ring: ring.write(b"x"),
        lambda ring: ring.spare(),
        lambda ring: ring.advance(1),
        lambda ring: ring.read(),
        lambda ring: ring.readinto(bytearray(3)),
        lambda ring: ring.peek(),
        lambda ring: ring.view(),
        lambda ring: ring.pop(),
        lambda ring: ring.clear(),
        lambda ring: ring.consume(1),
        lambda ring: ring.is_full,
    ],
)
def test_a_ring_that_somebody_has_spoiled(use: Use) -> None:
    ring = spoiled()
    with pytest.raises(StateError, match="somebody has written to the RingBuffer's own part"):
        use(ring)
    ring.close()


@pytest.mark.parametrize(
    "use",
    [
        len,
        bytes,
        lambda ring: ring[0],
        lambda ring: ring.advance(1),
        lambda ring: ring.spare(),
        lambda ring: ring.peek(),
        lambda ring: ring.readinto(bytearray(3)),
        lambda ring: ring.clear(),
        lambda ring: ring.consume(1),
        lambda ring: ring.wait_readable(),
        lambda ring: ring.is_full,
        lambda ring: ring.writer,
        lambda ring: ring.reader_gone,
        lambda ring: ring.__enter__(),
    ],
)
def test_a_closed_ring(use: Use) -> None:
    ring = RingBuffer(1)
    ring.close()
    with pytest.raises(StateError, match="closed"):
        use(ring)


@pytest.mark.parametrize(
    "use",
    [
        lambda ring: ring.spare(-1),
        lambda ring: ring.read(-1),
        lambda ring: ring.consume(-1),
        lambda ring: ring.consume(1),
        lambda ring: ring.advance(1),
        lambda ring: ring.read(timeout=-1),
        lambda ring: ring.read(timeout=float("nan")),
        lambda ring: ring.append(256),
        lambda ring: ring.appendleft(-1),
        lambda ring: ring.extendleft([256]),
        lambda ring: ring.wait_readable(ring.capacity + 1),
        lambda ring: ring.read(ring.capacity + 1, timeout=1),
    ],
)
def test_numbers_that_cannot_be(use: Use) -> None:
    ring = RingBuffer(1)
    with pytest.raises(ValueError, match=r"must be|fewer|lent|range|never"):
        use(ring)
    assert len(ring) == 0


@pytest.mark.parametrize(
    "use",
    [
        lambda ring: ring.read(timeout="1"),
        lambda ring: ring.read("1"),
        lambda ring: ring.consume(None),
        lambda ring: ring.advance(None),
        lambda ring: ring.consume("1"),
        lambda ring: ring.readinto(b"for reading"),
        lambda ring: ring.view(0, 1, 2),
        lambda ring: ring.view("1"),
        lambda ring: ring.appendleft("x"),
        lambda ring: ring.extendleft("x"),
        lambda ring: ring.extend(5),
        lambda ring: ring["x"],
        lambda ring: ring.write([1, 2]),
    ],
)
def test_arguments_of_another_kind(use: Use) -> None:
    with pytest.raises((TypeError, BufferError)):
        use(RingBuffer(1))


def test_items_go_at_the_ends_only() -> None:
    ring = RingBuffer(1)
    ring.extend(b"abc")
    with pytest.raises(TypeError, match="at its ends only"):
        del ring[1]  # type: ignore[attr-defined]
    assert ring[:] == b"abc"


def test_more_on_the_left_than_there_is_room_for() -> None:
    ring = RingBuffer(1)
    with pytest.raises(IndexError, match="full"):
        ring.extendleft(bytes(ring.capacity + 1))
    ring.extend(bytes(ring.capacity - 1))
    with pytest.raises(IndexError, match="full"):
        ring.extendleft(b"ab")
    assert len(ring) == ring.capacity - 1


def test_no_time_out_is_none() -> None:
    ring = RingBuffer(1)
    ring.extend(b"abc")
    assert ring.read(1, timeout=None) == b"a"
    assert ring.wait_readable(None, None)
    assert ring.write(b"d", timeout=None) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="has no timer that sends signals")
@pytest.mark.parametrize(
    ("make", "use"),
    [
        (lambda: RingBuffer(1), lambda ring: ring.read(timeout=30)),
        (lambda: RingBuffer(1), lambda ring: ring.peek(1, timeout=None)),
        (lambda: RingBuffer(1), lambda ring: ring.wait_readable(timeout=30)),
        (filled, lambda ring: ring.write(b"x", timeout=30)),
        (filled, lambda ring: ring.wait_writable(timeout=None)),
    ],
)
def test_a_signal_handler_ends_a_wait(make: Callable[[], RingBuffer], use: Use) -> None:
    ring = make()
    length = len(ring)
    with interruption(0.05), pytest.raises(Interrupted):
        use(ring)
    assert len(ring) == length
    ring.close()


def test_a_section_is_asked_for() -> None:
    with pytest.raises(TypeError, match="section must be a Section or None"):
        RingBuffer(1, section=b"x")  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform != "linux", reason="relies on how long a file takes to grow")
def test_a_section_that_another_thread_makes_larger_is_refused(tmp_path: Path) -> None:
    """Like all that would use it meanwhile."""
    section = Section.from_file(tmp_path / "bytes", "x+", 2 * UNIT)
    refused = set()
    for step in range(1, 20):
        thread = threading.Thread(target=section.resize, args=(step * 64 << 20,))
        thread.start()
        while thread.is_alive() and "resizing" not in refused:
            try:
                RingBuffer(1, section=section).close()
            except StateError as error:
                refused.update(str(error).split())
            except ValueError:
                pass
        thread.join()
        if "resizing" in refused:
            break
    assert "resizing" in refused
    section.close()


def test_what_the_class_passes_on() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        _core.RingCore(1, 0, None, False, None)
    with pytest.raises(ValueError, match="at least 1"):
        _core.RingCore(1, 0, None, False, Section(2 * UNIT))
    with pytest.raises(TypeError):
        _core.RingCore(1, 8, ("dtype",), False, None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no RingBuffer can have"):
        RingBuffer(sys.maxsize, float)


def test_items_of_another_size() -> None:
    ring = RingBuffer(10, np.int16)
    with pytest.raises(ValueError, match="have 2 bytes, not 8"):
        RingBuffer(1, np.float64, section=ring.section)


def joined(made: Any, other: Any) -> None:
    ring = RingBuffer(10, made)
    RingBuffer(10, other, section=ring.section)


@pytest.mark.parametrize(
    ("made", "other"),
    [
        ("f8", "i8"),
        ("f8", "u8"),
        ("<f8", ">f8"),
        ("M8[s]", "M8[ms]"),
        ("f8", ("f4", 2)),
        (("i2", (2, 3)), ("i2", (3, 2))),
        ([("a", "i2"), ("b", "i2")], [("b", "i2"), ("a", "i2")]),
        ([("a", "i2"), ("b", "i2")], "i4"),
        ([("a" * 200, "i2"), ("b", "i2")], [("a" * 200, "i2"), ("c", "i2")]),
        (None, "i1"),
        ("?", None),
    ],
)
def test_items_of_another_kind(made: Any, other: Any) -> None:
    joined(made, made)
    with pytest.raises(ValueError, match=r"items in this Section are '.*', and not '.*'; give the"):
        joined(made, other)


def test_bytes_are_numpys_bytes() -> None:
    joined(None, "u1")
    joined(np.uint8, None)


def test_the_capacity_is_the_sections() -> None:
    ring = RingBuffer(3 * UNIT, np.float64)
    assert RingBuffer(None, float, section=ring.section).capacity == ring.capacity
    assert RingBuffer(section=Section(4 * UNIT)).capacity == 3 * UNIT
    with pytest.raises(TypeError, match="capacity is needed"):
        RingBuffer(dtype=float)


def test_refusals_tell_the_numbers() -> None:
    ring = RingBuffer(1)
    ring.write(b"abc")
    room = ring.capacity - 3
    cases: list[tuple[type[Exception], str, Use]] = [
        (ValueError, "consume: the RingBuffer has fewer items than 5: 3", lambda r: r.consume(5)),
        (
            IndexError,
            f"spare: .* too full: there is room for {room} of its {ring.capacity} items, and "
            f"{room + 1} are needed.*overwrite=True",
            lambda r: r.spare(room + 1),
        ),
        (IndexError, "spare: .* never so full: 9999999 items", lambda r: r.spare(9999999)),
        (IndexError, "extendleft: .*room for", lambda r: r.extendleft(bytes(room + 1))),
        (IndexError, "index 7 is out of range: it has 3 items", lambda r: r[7]),
        (IndexError, "index -4 is out of range: it has 3 items", lambda r: r[-4]),
    ]
    for kind, message, use in cases:
        with pytest.raises(kind, match=message):
            use(ring)
    view = ring.view()
    with pytest.raises(BufferError, match=r"consume: a view shows .*; release\(\)"):
        ring.consume(1)
    assert bytes(view) == b"abc"


def test_a_dtype_needs_numpy() -> None:
    code = """
        import sys
        sys.modules["numpy"] = None
        from growable import RingBuffer
        assert RingBuffer(100).write(b"abc") == 3
        try:
            RingBuffer(100, float)
        except ImportError as error:
            print(error)
    """
    assert "a RingBuffer with a dtype needs NumPy" in run_child(code).stdout


def test_weak_references_learn_of_its_end() -> None:
    ring = RingBuffer(1)
    gone: list[object] = []
    reference = weakref.ref(ring, gone.append)
    del ring
    assert gone == [reference]


@pytest.mark.skipif(under_sanitizer(), reason="the sanitizer allocates for itself")
def test_every_allocation_is_refused_in_turn() -> None:
    pytest.importorskip("_testcapi", reason="this interpreter has no _testcapi")
    program = Path(__file__).with_name("ring_faults.py")
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(program)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.returncode}\n{done.stderr[-3000:]}"
    assert int(done.stdout) > 20
