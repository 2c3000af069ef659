"""The buffer, or a view of it, as an argument of its own methods."""

from __future__ import annotations

import array
import operator
from collections.abc import Callable
from typing import Any

import pytest
from growable import Buffer
from support import EXPORTED_MESSAGE, check, pattern

Make = Callable[..., Buffer]
START = pattern(300)

# What to do with (buffer, source of its own bytes), and what comes of contents c and source s.
GROWS: dict[str, tuple[Callable[[Any, Any], object], Callable[[bytes, bytes], bytes]]] = {
    "extend": (lambda b, s: b.extend(s), lambda c, s: c + s),
    "+=": (operator.iadd, lambda c, s: c + s),
    "assign past the end": (
        lambda b, s: operator.setitem(b, slice(len(b), None), s),
        lambda c, s: c + s,
    ),
    "assign the tail": (
        lambda b, s: operator.setitem(b, slice(290, None), s),
        lambda c, s: c[:290] + s,
    ),
}

VIEWS: dict[str, Callable[[Any], Any]] = {
    "whole": memoryview,
    "head": lambda b: memoryview(b)[:100],
    "middle": lambda b: memoryview(b)[50:250],
    "tail": lambda b: memoryview(b)[200:],
    "all but the first": lambda b: memoryview(b)[1:],
    "read-only": lambda b: memoryview(b).toreadonly(),
    "words": lambda b: memoryview(b).cast("I"),
    "a view of a view": lambda b: memoryview(memoryview(b)[10:])[10:],
}


@pytest.mark.parametrize("name", GROWS)
def test_growth_by_itself(make: Make, name: str) -> None:
    act, expect = GROWS[name]
    buffer = make(START)
    act(buffer, buffer)
    check(buffer, expect(START, START))


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", GROWS)
def test_growth_by_a_view_of_itself(make_exact: Make, name: str, view: str) -> None:
    act, expect = GROWS[name]
    buffer = make_exact(START)
    source = VIEWS[view](buffer)
    shown = source.tobytes()
    act(buffer, source)
    assert source.tobytes()[: len(shown)] == expect(START, shown)[_offset(view) :][: len(shown)]
    del source
    check(buffer, expect(START, shown))


def _offset(view: str) -> int:
    return {"middle": 50, "tail": 200, "all but the first": 1, "a view of a view": 20}.get(view, 0)


def test_growth_by_itself_many_times(kind: type[Buffer]) -> None:
    """Doubling passes through all tiers."""
    buffer = kind(b"ab")
    for _ in range(21):
        buffer += buffer
    assert buffer == b"ab" * (1 << 21)


def test_growth_by_a_view_to_the_very_end_of_the_storage() -> None:
    buffer = Buffer(pattern(500), capacity=1000)
    with memoryview(buffer) as view:
        buffer += view
    check(buffer, pattern(500) * 2)


@pytest.mark.parametrize("step", [2, 3, -1, -2])
def test_growth_by_a_strided_view(make_exact: Make, step: int) -> None:
    """No contiguous bytes to take; bytearray refuses it as well."""
    buffer = make_exact(START)
    with memoryview(buffer)[::step] as view:
        for target in (buffer, bytearray(START)):
            with pytest.raises((TypeError, BufferError)):
                target.extend(view)
    check(buffer, START)


@pytest.mark.parametrize("step", [2, 3, -1, -2])
def test_a_strided_view_as_values(make_exact: Make, step: int) -> None:
    buffer = make_exact(START)
    values = START[::step]
    with memoryview(buffer)[::step] as view:
        buffer[: len(values)] = view
    check(buffer, values + START[len(values) :])


def test_all_by_itself(make: Make) -> None:
    buffer = make(START)
    buffer[:] = buffer
    check(buffer, START)


def test_all_by_its_view(make: Make) -> None:
    buffer = make(START)
    buffer[:] = memoryview(buffer)
    check(buffer, START)


@pytest.mark.parametrize("at", [(2, 5), (0, 3), (5, 2), (297, 300), (300, 300), (0, 0), (0, 299)])
def test_a_slice_by_itself(make: Make, at: tuple[int, int]) -> None:
    buffer = make(START)
    model = bytearray(START)
    buffer[at[0] : at[1]] = buffer
    model[at[0] : at[1]] = model
    check(buffer, model)


@pytest.mark.parametrize(("source", "target"), [(0, 1), (1, 0), (0, 100), (100, 0), (50, 51)])
def test_overlapping_views_of_the_same_length(make: Make, source: int, target: int) -> None:
    """The values are those from before, as for memmove."""
    buffer = make(START)
    with memoryview(buffer)[source : source + 150] as view:
        buffer[target : target + 150] = view
    expected = bytearray(START)
    expected[target : target + 150] = START[source : source + 150]
    check(buffer, expected)


@pytest.mark.parametrize("step", [2, 3, -1, -2])
def test_steps_by_an_overlapping_view(make: Make, step: int) -> None:
    buffer = make(START)
    places = range(300)[::step]
    with memoryview(buffer)[5 : 5 + min(len(places), 295)] as view:
        places = places[: len(view)]
        stop = places[-1] + step
        at = slice(places[0], stop if stop >= 0 else None, step)
        expected = bytearray(START)
        expected[at] = START[5 : 5 + len(view)]
        buffer[at] = view
    check(buffer, expected)


def test_reversal_by_steps_of_itself(make: Make) -> None:
    buffer = make(START)
    buffer[::-1] = buffer
    check(buffer, START[::-1])


@pytest.mark.parametrize(
    ("name", "act"),
    [
        ("longer in the middle", lambda b, v: operator.setitem(b, slice(2, 5), v)),
        ("shorter", lambda b, v: operator.setitem(b, slice(None), v[:10])),
        ("at the front", lambda b, v: operator.setitem(b, slice(0, 0), v)),
        ("nothing", lambda b, v: operator.setitem(b, slice(2, 5), v[:0])),
        ("init", lambda b, v: b.__init__(v[:10])),
    ],
)
def test_what_moves_bytes_by_a_view_is_refused(make: Make, name: str, act: Any) -> None:
    buffer = make(START)
    with memoryview(buffer) as view:
        with pytest.raises(BufferError) as caught:
            act(buffer, view)
        assert str(caught.value) == EXPORTED_MESSAGE
        assert view.tobytes() == START
    check(buffer, START)


def test_init_by_itself(make: Make) -> None:
    buffer = make(START)
    buffer.__init__(buffer)  # type: ignore[misc]
    check(buffer, START)


def test_a_new_buffer_of_a_view_of_another(make: Make) -> None:
    buffer = make(START)
    with memoryview(buffer)[10:20] as view:
        check(Buffer(view), START[10:20])


LENT: dict[str, Callable[[Any, Any], object]] = {
    "+=": operator.iadd,
    "extend": lambda b, v: b.extend(v),
    "assign past the end": lambda b, v: operator.setitem(b, slice(len(b), None), v),
    "insert by slice": lambda b, v: operator.setitem(b, slice(len(b), len(b)), v),
}


@pytest.mark.parametrize("name", LENT)
@pytest.mark.parametrize(
    ("start", "stop"), [(0, 16), (0, 5), (2, 7), (1, 2), (0, 1), (8, 16), (15, 16), (1, 16), (3, 3)]
)
def test_growth_by_a_part_of_the_lent_tail(make: Make, name: str, start: int, stop: int) -> None:
    """A receiver that keeps part of what arrived, say without its header."""
    buffer = make(b"head")
    arrived = b"0123456789abcdef"
    with buffer.spare(16) as tail:
        tail[:] = arrived
        LENT[name](buffer, tail[start:stop])
        assert bytes(buffer) == b"head" + arrived[start:stop]
    check(buffer, b"head" + arrived[start:stop])


def test_a_longer_replacement_by_a_part_of_the_lent_tail(make: Make) -> None:
    buffer = make(b"head")
    with buffer.spare(16) as tail:
        tail[:] = b"0123456789abcdef"
        buffer[2:] = tail[2:9]
    check(buffer, b"he2345678")


def test_a_replacement_by_a_part_of_the_lent_tail(make: Make) -> None:
    buffer = make(b"head")
    with buffer.spare(16) as tail:
        tail[:] = b"0123456789abcdef"
        buffer[1:3] = tail[5:7]
    check(buffer, b"h56d")


def test_growth_by_a_part_of_a_large_lent_tail(make: Make) -> None:
    buffer = make(b"head")
    with buffer.spare(1_000_000) as tail:
        tail[:] = pattern(1_000_000)
        buffer += tail[1000:]
    assert buffer == b"head" + pattern(1_000_000)[1000:]


def test_growth_by_a_view_over_contents_and_tail(make: Make) -> None:
    """A tail that was partly taken in overlaps the contents."""
    buffer = make(b"head")
    with buffer.spare(16) as tail:
        tail[:] = b"0123456789abcdef"
        buffer.advance(8)
        buffer += tail[4:12]
    check(buffer, b"head01234567456789ab")


def test_writes_into_the_tail_by_the_buffers_own_contents(make: Make) -> None:
    buffer = make(START)
    with buffer.spare(300) as tail:
        tail[:] = buffer
        buffer.advance(300)
    check(buffer, START * 2)


def test_repeat_with_a_view(make: Make) -> None:
    buffer = make(START)
    with memoryview(buffer) as view:
        buffer *= 3
        assert view.tobytes() == START
    check(buffer, START * 3)


def test_other_exporters_of_the_same_memory(make: Make) -> None:
    numpy = pytest.importorskip("numpy")
    buffer = make(START)
    shown = numpy.frombuffer(buffer, dtype=numpy.uint8)
    buffer += shown
    buffer.extend(shown[100:200])
    del shown
    check(buffer, START * 2 + START[100:200])


def test_array_of_its_own_bytes(make: Make) -> None:
    buffer = make(START)
    buffer += array.array("B", buffer)
    check(buffer, START * 2)


def test_join_with_itself(make: Make) -> None:
    buffer = make(b"ab")
    assert buffer.join([buffer, buffer, b"c"]) == b"ababababc"
    check(buffer, b"ab")


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (lambda b: b in b, True),
        (lambda b: b.find(b), 0),
        (lambda b: b.count(b), 1),
        (lambda b: b.startswith(b), True),
        (lambda b: b.replace(b, b), b"abcabc"),
        (lambda b: b.split(b), [b"", b""]),
        (lambda b: b.partition(b), (b"", b"abcabc", b"")),
        (lambda b: b.strip(b), b""),
        (lambda b: b.removeprefix(b), b""),
        (lambda b: b + b, b"abcabcabcabc"),
        (lambda b: b == b, True),
        (lambda b: b < b, False),
        (lambda b: b.translate(None, b), b""),
        (lambda b: b % (), b"abcabc"),
        (lambda b: b.__class__(b), b"abcabc"),
    ],
)
def test_reading_methods_with_itself(make: Make, act: Any, expected: Any) -> None:
    buffer = make(b"abcabc")
    assert act(buffer) == expected
    check(buffer, b"abcabc")
    buffer.append(1)
