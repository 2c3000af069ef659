"""Growth at the end works while exported; what moves or removes bytes does not."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from growable import Buffer
from support import EXPORTED_MESSAGE, address_of, check, pattern, state_of

Make = Callable[..., Buffer]
START = pattern(100)

GROWS: dict[str, tuple[Callable[[Buffer], object], bytes]] = {
    "append": (lambda b: b.append(7), START + b"\x07"),
    "extend bytes": (lambda b: b.extend(b"xyz"), START + b"xyz"),
    "extend list": (lambda b: b.extend([1, 2]), START + b"\x01\x02"),
    "extend iterator": (lambda b: b.extend(iter(b"ab")), START + b"ab"),
    "extend itself": (lambda b: b.extend(b), START * 2),
    "extend its view": (lambda b: b.extend(memoryview(b)), START * 2),
    "+=": (lambda b: b.__iadd__(b"xyz"), START + b"xyz"),
    "*=": (lambda b: b.__imul__(3), START * 3),
    "insert at the end": (lambda b: b.insert(100, 9), START + b"\x09"),
    "insert past the end": (lambda b: b.insert(1000, 9), START + b"\x09"),
    "assign past the end": (lambda b: b.__setitem__(slice(100, None), b"xy"), START + b"xy"),
    "assign the tail": (lambda b: b.__setitem__(slice(98, None), b"1234"), START[:98] + b"1234"),
    "assign all": (lambda b: b.__setitem__(slice(None), START + b"1"), START + b"1"),
    "resize": (lambda b: b.resize(110), START + bytes(10)),
    "read_from": (lambda b: b.read_from(io.BytesIO(b"file")), START + b"file"),
}

REFUSED: dict[str, Callable[[Buffer], object]] = {
    "pop": lambda b: b.pop(),
    "pop first": lambda b: b.pop(0),
    "remove": lambda b: b.remove(START[3]),
    "clear": lambda b: b.clear(),
    "insert first": lambda b: b.insert(0, 1),
    "insert before the last": lambda b: b.insert(-1, 1),
    "del item": lambda b: b.__delitem__(3),
    "del slice": lambda b: b.__delitem__(slice(3, 5)),
    "del front": lambda b: b.__delitem__(slice(None, 5)),
    "del extended slice": lambda b: b.__delitem__(slice(None, None, 2)),
    "*= 0": lambda b: b.__imul__(0),
    "assign fewer": lambda b: b.__setitem__(slice(3, 8), b"ab"),
    "assign more in the middle": lambda b: b.__setitem__(slice(3, 5), b"abcdef"),
    "assign fewer at the end": lambda b: b.__setitem__(slice(90, None), b"ab"),
    "resize down": lambda b: b.resize(50),
    "take_bytes": lambda b: b.take_bytes(10),
    "take all bytes": lambda b: b.take_bytes(),
    "init": lambda b: b.__init__(b"other"),  # type: ignore[misc]
    "release": lambda b: b.release(),
}


@pytest.mark.parametrize("name", GROWS)
def test_growth_works_under_an_export(make: Make, name: str) -> None:
    operate, expected = GROWS[name]
    buffer = make(START)
    with memoryview(buffer) as view:
        where = address_of(view)
        operate(buffer)
        check(buffer, expected)
        assert view.tobytes() == expected[:100]
        assert address_of(view) == where
        assert buffer.exports == 1


@pytest.mark.parametrize("name", REFUSED)
def test_what_moves_bytes_is_refused(make: Make, name: str) -> None:
    buffer = make(START)
    with memoryview(buffer) as view:
        before = state_of(buffer)
        with pytest.raises(BufferError) as caught:
            REFUSED[name](buffer)
        assert state_of(buffer) == before
        assert view.tobytes() == START
    assert type(caught.value) is BufferError
    if name != "release":
        assert str(caught.value) == EXPORTED_MESSAGE
    check(buffer, START)


@pytest.mark.parametrize("name", REFUSED)
def test_what_was_refused_works_after_the_export(make: Make, name: str) -> None:
    buffer = make(START)
    with memoryview(buffer):
        pass
    REFUSED[name](buffer)


@pytest.mark.parametrize(
    "operate",
    [
        lambda b: b.reverse(),
        lambda b: b.__setitem__(0, 5),
        lambda b: b.__setitem__(slice(0, 3), b"abc"),
        lambda b: b.__setitem__(slice(0, 4, 2), b"ab"),
        lambda b: b.__imul__(1),
        lambda b: b.__delitem__(slice(5, 5)),
        lambda b: b.resize(100),
        lambda b: b.extend(b""),
        lambda b: b.__setitem__(slice(5, 5), b""),
    ],
)
def test_same_length_is_no_resize(make: Make, operate: Callable[[Buffer], object]) -> None:
    buffer = make(START)
    model = Buffer(START)
    operate(model)
    with memoryview(buffer):
        operate(buffer)
        check(buffer, model)


def test_many_steps_of_growth_keep_the_address(make: Make) -> None:
    buffer = make(START)
    expected = bytearray(START)
    with memoryview(buffer) as view:
        where = address_of(view)
        for step in range(300):
            chunk = pattern(step * 11, step)
            buffer += chunk
            expected += chunk
        check(buffer, expected)
        assert address_of(view) == where == address_of(buffer)
        assert view.tobytes() == START


def test_a_write_through_an_old_view_is_seen(make: Make) -> None:
    buffer = make(START)
    with memoryview(buffer) as view:
        buffer += bytes(100_000)
        view[5] = 0xAB
        assert buffer[5] == 0xAB
        buffer[6] = 0xCD
        assert view[6] == 0xCD


def test_an_empty_buffer_grows_under_an_export(make: Make) -> None:
    buffer = make(b"")
    with memoryview(buffer) as view:
        assert len(view) == 0
        buffer += pattern(10_000)
        check(buffer, pattern(10_000))


def test_views_of_different_ages_agree(make: Make) -> None:
    buffer = make(START)
    views = []
    for step in range(50):
        views.append(memoryview(buffer))
        buffer += pattern(777, step)
    whole = bytes(buffer)
    assert [v.tobytes() for v in views] == [whole[: len(v)] for v in views]
    assert buffer.exports == 50
    for view in views:
        view.release()
    assert buffer.exports == 0


def test_a_view_outlives_the_name(make: Make) -> None:
    view = memoryview(make(START))
    assert view.tobytes() == START


def test_base_class_methods_cannot_resize(make: Make) -> None:
    """The built-in's own functions meet the fence: refused, never a crash."""
    buffer = make(START)
    for function, arguments in [
        (bytearray.append, (1,)),
        (bytearray.extend, (b"ab",)),
        (bytearray.clear, ()),
        (bytearray.pop, ()),
        (bytearray.insert, (0, 1)),
        (bytearray.__iadd__, (b"x",)),
        (bytearray.__imul__, (2,)),
        (bytearray.__delitem__, (0,)),
    ]:
        with pytest.raises(BufferError):
            function(buffer, *arguments)  # type: ignore[operator]
        check(buffer, START)


def test_exports_counts(make: Make) -> None:
    buffer = make(START)
    assert buffer.exports == 0
    first = memoryview(buffer)
    assert buffer.exports == 1
    second = memoryview(buffer)
    assert buffer.exports == 2
    first.release()
    second.release()
    assert buffer.exports == 0
