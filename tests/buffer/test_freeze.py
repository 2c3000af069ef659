"""freeze(): read-only for good, refused while a writable export lives, enforced by the pages."""

from __future__ import annotations

import copy
import ctypes
import io
import operator
import pickle
import signal
from collections.abc import Callable

import growable
import pytest
from growable import Buffer, _core
from support import check, pattern, run_child, start_of, state_of

Make = Callable[..., Buffer]
START = pattern(1000)

CHANGES: dict[str, Callable[[Buffer], object]] = {
    "assign item": lambda b: operator.setitem(b, 0, 1),
    "assign slice": lambda b: operator.setitem(b, slice(0, 3), b"abc"),
    "assign nothing": lambda b: operator.setitem(b, slice(3, 3), b""),
    "assign longer": lambda b: operator.setitem(b, slice(None), START + b"x"),
    "assign extended slice": lambda b: operator.setitem(b, slice(0, 4, 2), b"ab"),
    "del item": lambda b: operator.delitem(b, 0),
    "del slice": lambda b: operator.delitem(b, slice(0, 5)),
    "del nothing": lambda b: operator.delitem(b, slice(3, 3)),
    "del extended slice": lambda b: operator.delitem(b, slice(None, None, 2)),
    "+=": lambda b: operator.iadd(b, b"x"),
    "+= nothing": lambda b: operator.iadd(b, b""),
    "*=": lambda b: operator.imul(b, 2),
    "*= 0": lambda b: operator.imul(b, 0),
    "*= 1": lambda b: operator.imul(b, 1),
    "append": lambda b: b.append(1),
    "extend": lambda b: b.extend(b"x"),
    "extend nothing": lambda b: b.extend(b""),
    "extend by itself": lambda b: b.extend(b),
    "insert first": lambda b: b.insert(0, 1),
    "insert last": lambda b: b.insert(len(b), 1),
    "pop": lambda b: b.pop(),
    "pop first": lambda b: b.pop(0),
    "remove": lambda b: b.remove(START[0]),
    "clear": lambda b: b.clear(),
    "reverse": lambda b: b.reverse(),
    "resize up": lambda b: b.resize(2000),
    "resize down": lambda b: b.resize(5),
    "resize the same": lambda b: b.resize(1000),
    "take_bytes": lambda b: b.take_bytes(5),
    "take_bytes none": lambda b: b.take_bytes(0),
    "spare": lambda b: b.spare(1),
    "spare nothing": lambda b: b.spare(0),
    "advance": lambda b: b.advance(1),
    "read_from": lambda b: b.read_from(io.BytesIO(b"x")),
    "ensure": lambda b: b.ensure(1),
    "shrink_to_fit": lambda b: b.shrink_to_fit(),
    "init": lambda b: b.__init__(b"other"),  # type: ignore[misc]
    "init empty": lambda b: b.__init__(),  # type: ignore[misc]
}


def frozen(make: Make) -> Buffer:
    buffer = make(START)
    buffer.freeze()
    return buffer


@pytest.mark.parametrize("name", CHANGES)
def test_changes_are_refused(make: Make, name: str) -> None:
    buffer = frozen(make)
    with pytest.raises(growable.StateError, match="frozen") as caught:
        CHANGES[name](buffer)
    assert isinstance(caught.value, ValueError)
    assert buffer == START
    assert len(buffer) == 1000
    assert buffer.exports == 0


def test_wrong_arguments_keep_their_own_error() -> None:
    buffer = Buffer(b"abc")
    buffer.freeze()
    with pytest.raises(TypeError):
        buffer.append("x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"range\(0, 256\)"):
        buffer[0] = 256


def test_reading_goes_on(make: Make) -> None:
    buffer = frozen(make)
    assert bytes(buffer) == START
    assert buffer[5] == START[5]
    assert buffer.find(START[100:110]) == START.find(START[100:110])
    assert buffer + b"x" == START + b"x"
    assert list(buffer) == list(START)
    assert buffer.upper() == START.upper()
    assert ctypes.string_at(start_of(buffer) + 1000, 1) == b"\0"


def test_exports_are_read_only(make: Make) -> None:
    buffer = frozen(make)
    with memoryview(buffer) as view:
        assert view.readonly
        assert view == START
        with pytest.raises(TypeError, match="read-only"):
            view[0] = 1
    assert buffer.exports == 0


def test_writable_exports_are_refused(make: Make) -> None:
    buffer = frozen(make)
    with pytest.raises((BufferError, TypeError)):
        (ctypes.c_char * 10).from_buffer(buffer)
    with pytest.raises((BufferError, TypeError)):
        io.BytesIO(b"abc").readinto(buffer)
    assert buffer.exports == 0
    assert buffer == START


def test_numpy_gets_a_read_only_array() -> None:
    numpy = pytest.importorskip("numpy")
    buffer = Buffer(START)
    buffer.freeze()
    array = numpy.frombuffer(buffer, dtype=numpy.uint8)
    assert not array.flags.writeable
    assert array.tobytes() == START


def test_refused_while_a_writable_export_lives(make: Make) -> None:
    buffer = make(START)
    with memoryview(buffer) as view:
        before = state_of(buffer)
        with pytest.raises(BufferError, match="writable"):
            buffer.freeze()
        assert state_of(buffer) == before
        view[0] = 7
    buffer[0] = 8
    buffer.freeze()


def test_refused_while_a_tail_is_lent() -> None:
    buffer = Buffer(b"abc")
    with buffer.spare(3) as tail:
        with pytest.raises(BufferError):
            buffer.freeze()
        tail[:] = b"def"
        buffer.advance(3)
    buffer.freeze()
    assert buffer == b"abcdef"


def test_what_was_advanced_last_is_kept() -> None:
    buffer = Buffer(b"abc")
    with buffer.spare(6) as tail:
        tail[:] = b"defghi"
        buffer.advance(3)
    buffer.freeze()
    assert buffer == b"abcdef"
    assert ctypes.string_at(start_of(buffer) + 6, 1) == b"\0"


def test_freezing_twice(make: Make) -> None:
    buffer = frozen(make)
    buffer.freeze()
    assert buffer == START


def test_freezing_twice_with_a_reader() -> None:
    buffer = Buffer(START)
    buffer.freeze()
    with memoryview(buffer):
        buffer.freeze()


def test_refused_inside_a_base_method() -> None:
    """A method that is reading must not find its pages changed under it."""
    buffer = Buffer(START)
    seen: list[BaseException] = []

    class Meddler:
        def __index__(self) -> int:
            try:
                buffer.freeze()
            except BufferError as error:
                seen.append(error)
            return 0

    buffer.find(b"x", Meddler())
    assert seen
    buffer.append(1)


def test_the_address_can_still_be_read(make: Make) -> None:
    buffer = frozen(make)
    assert buffer.address == start_of(buffer)
    assert ctypes.string_at(buffer.address, 1000) == START


def test_the_figures_can_still_be_read(make: Make) -> None:
    buffer = frozen(make)
    assert buffer.committed >= 1000
    assert buffer.capacity >= 1000
    assert buffer.exports == 0
    assert "Buffer" in repr(buffer)
    _core.page_map(buffer)


def test_frozen_with_capacity_and_name() -> None:
    buffer = Buffer(START, capacity=5000, name="n")
    buffer.freeze()
    assert buffer.capacity == 5000
    assert buffer.name == "n"


def test_copies_are_not_frozen(make: Make) -> None:
    buffer = frozen(make)
    for twin in (
        copy.copy(buffer),
        copy.deepcopy(buffer),
        pickle.loads(pickle.dumps(buffer)),
        buffer.copy(),
        buffer[:],
        Buffer(buffer),
    ):
        twin.append(1)
        assert twin == START + b"\x01"
    assert buffer == START


def test_out_of_band_shows_it_read_only() -> None:
    buffer = Buffer(START)
    buffer.freeze()
    outside: list[pickle.PickleBuffer] = []
    data = pickle.dumps(buffer, protocol=5, buffer_callback=outside.append)
    assert memoryview(outside[0]).readonly
    assert pickle.loads(data, buffers=outside) is buffer


def test_storage_of_a_frozen_buffer_is_used_again() -> None:
    """Its pages come back writable, and zero."""
    for size in (100, 5000, 100_000, 3_000_000):
        for _ in range(3):
            old = Buffer(b"\xdd" * size)
            memoryview(old).release()
            old.freeze()
            del old
            new = Buffer()
            memoryview(new).release()
            new.resize(size)
            assert not any(new)
            new[:] = b"\x11" * size
            check(new, b"\x11" * size)


def test_an_empty_buffer_can_be_frozen(make: Make) -> None:
    buffer = make(b"")
    buffer.freeze()
    with pytest.raises(growable.StateError):
        buffer.append(1)
    assert len(memoryview(buffer)) == 0


@pytest.mark.parametrize("size", [1, 100, 4096, 100_000, 3_000_000])
@pytest.mark.parametrize("where", ["first", "last", "terminator"])
def test_a_write_that_goes_around_faults(size: int, where: str) -> None:
    result = run_child(
        """
        import ctypes, sys
        from growable import Buffer
        size, where = int(sys.argv[1]), sys.argv[2]
        buffer = Buffer(b"x" * size)
        address = buffer.address
        ctypes.memset(address, ord("y"), 1)
        buffer.freeze()
        offset = {"first": 0, "last": size - 1, "terminator": size}[where]
        assert ctypes.string_at(address + offset, 1) in (b"x", b"y", b"\\0")
        print("before", flush=True)
        ctypes.memset(address + offset, ord("z"), 1)
        print("after", flush=True)
        """,
        str(size),
        where,
        check_exit=False,
    )
    assert "before" in result.stdout
    assert "after" not in result.stdout
    assert result.returncode != 0


def test_the_fault_is_the_documented_one() -> None:
    result = run_child(
        """
        from growable import Buffer
        buffer = Buffer(b"x" * 100_000)
        buffer.freeze()
        bytearray.reverse(buffer)
        """,
        check_exit=False,
        env={"ASAN_OPTIONS": "handle_segv=0:detect_leaks=0"},
    )
    assert result.returncode == -signal.SIGSEGV


def test_a_subclass_freezes_too(kind: type[Buffer]) -> None:
    buffer = kind(START)
    buffer.freeze()
    with pytest.raises(growable.StateError):
        buffer.pop()


def test_nothing_is_written_after_a_tail_was_lent() -> None:
    buffer = Buffer(b"x")
    tail = buffer.spare(16)
    buffer.append(1)
    tail.release()
    buffer.freeze()
    for count in (0, 1):
        with pytest.raises(growable.StateError):
            buffer.advance(count)
    assert buffer == b"x\x01"
