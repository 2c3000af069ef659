"""The operations that must leave everything as it was when something they need is refused.

Run as a child by the tests beside it: `python fault_operations.py WHAT OPERATION`, where WHAT is
`memory` (the interpreter's allocations fail) or `system` (our calls into the operating system do).
For every tier, exported and not, the operation is repeated with the first thing refused, then the
second, and so on until nothing that it asks for is refused; each time once with only that one
refused and once with that and all later ones.

Which exception comes out is not compared: without memory the interpreter itself loses some, and
reports SystemError or AttributeError in place of MemoryError. What counts is what is left.

Prints how many refusals were met.
"""

from __future__ import annotations

import contextlib
import copy
import io
import operator
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import growable
from growable import Buffer, _core
from support import TIERS, byte_after, pattern

Act = Callable[[Any], Any]

# One refusal may be met by other means (a smaller reservation, the heap): then it must succeed.
OPERATIONS: dict[str, Act] = {
    "append": lambda b: b.append(7),
    "extend a little": lambda b: b.extend(b"x" * 100),
    "extend a lot": lambda b: b.extend(LOT),
    "extend very much": lambda b: b.extend(VERY_MUCH),
    "extend a list": lambda b: b.extend(NUMBERS),
    "extend an iterator": lambda b: b.extend(iter(NUMBERS)),
    "extend itself": lambda b: b.extend(b),
    "iadd": lambda b: operator.iadd(b, LOT) and None,
    "iadd its view": lambda b: operator.iadd(b, memoryview(b)) and None,
    "imul": lambda b: operator.imul(b, 300) and None,
    "insert": lambda b: b.insert(5, 7),
    "insert at the end": lambda b: b.insert(len(b), 7),
    "assign more": lambda b: operator.setitem(b, slice(3, 5), LOT),
    "assign more at the end": lambda b: operator.setitem(b, slice(3, None), LOT),
    "assign an iterator": lambda b: operator.setitem(b, slice(3, None), iter(NUMBERS)),
    "assign as many": lambda b: operator.setitem(b, slice(0, 3), b"abc"),
    "assign every other": lambda b: operator.setitem(b, slice(0, 6, 2), b"abc"),
    "delete in front": lambda b: operator.delitem(b, slice(0, 5)),
    "delete at the end": lambda b: operator.delitem(b, slice(5, None)),
    "delete every other": lambda b: operator.delitem(b, slice(None, None, 2)),
    "pop": lambda b: b.pop(),
    "clear": lambda b: b.clear(),
    "resize up": lambda b: b.resize(3_000_000),
    "resize down": lambda b: b.resize(5),
    "take_bytes": lambda b: b.take_bytes(5),
    "take all bytes": lambda b: b.take_bytes(),
    "init": lambda b: b.__init__(LOT),
    "spare": lambda b: b.spare(100_000).release(),
    "ensure": lambda b: b.ensure(5_000_000),
    "shrink_to_fit": lambda b: b.shrink_to_fit(),
    "read_from": lambda b: b.read_from(io.BytesIO(LOT)),
    "read_from once": lambda b: b.read_from(io.BytesIO(LOT), 50_000),
    "export": lambda b: memoryview(b).release(),
    "address": lambda b: b.address and None,
    "freeze": lambda b: b.freeze(),
    "release": lambda b: b.release(),
    "reverse": lambda b: b.reverse(),
    "repr": lambda b: repr(b) and None,
    "find": lambda b: b.find(b"xyz"),
    "upper": lambda b: b.upper() and None,
    "compare": lambda b: b == LOT,
    "copy": lambda b: copy.copy(b) and None,
    "deepcopy": lambda b: copy.deepcopy(b) and None,
    "pickle": lambda b: pickle.dumps(b, 5) and None,
    "pickle round trip": lambda b: pickle.loads(pickle.dumps(b, 4)) and None,
    "sizeof": lambda b: b.__sizeof__() and None,
    "construct": lambda b: Buffer(LOT) and None,
    "construct zeros": lambda b: Buffer(3_000_000) and None,
    "construct from itself": lambda b: Buffer(b) and None,
    "construct with a capacity": lambda b: Buffer(LOT, capacity=1 << 20, name="name") and None,
    "page_map": lambda b: _core.page_map(b) and None,
}

LOT = pattern(100_000)
VERY_MUCH = pattern(5_000_000)
NUMBERS = list(range(200)) * 5
KEEPS_PART = {"read_from", "read_from once"}


@contextlib.contextmanager
def refused_memory(first: int, *, onwards: bool) -> Iterator[None]:
    """Refuse the interpreter's allocation number `first`, and all later ones if told so."""
    import _testcapi

    _testcapi.set_nomemory(first, 0 if onwards else first + 1)
    try:
        yield
    finally:
        _testcapi.remove_mem_hooks()


@contextlib.contextmanager
def refused_system(first: int, *, onwards: bool) -> Iterator[None]:
    """Refuse our call number `first` into the operating system."""
    _core._fault_arm(first + 1, -1 if onwards else 1)
    try:
        yield
    finally:
        _core._fault_disarm()


def fresh(tier: str, *, exported: bool) -> tuple[Buffer, memoryview | None]:
    buffer = TIERS[tier](Buffer, pattern(20))
    return buffer, memoryview(buffer) if exported else None


def state_of(buffer: Buffer) -> tuple[Any, ...]:
    """Return what must not change; a released buffer has no more to it than that."""
    if repr(buffer).startswith("<released"):
        return ("released",)
    return (bytes(buffer), len(buffer), buffer.exports, memoryview(buffer).readonly)


def check_intact(buffer: Buffer, view: memoryview | None, before: tuple[Any, ...]) -> None:
    """Assert that a failed operation changed nothing, and that the buffer still works."""
    assert state_of(buffer) == before, (state_of(buffer), before)
    assert byte_after(buffer) == 0
    assert len(buffer) <= buffer.committed <= buffer.capacity
    assert view is None or view == before[0][: len(view)]
    buffer.append(0x5A)
    buffer.extend(LOT)
    assert buffer == before[0] + b"Z" + LOT
    assert view is None or view == before[0][: len(view)]


def outcome(act: Act, buffer: Buffer) -> BaseException | None:
    """Run the operation; return what it raised."""
    try:
        act(buffer)
    except BaseException as error:
        return error.with_traceback(None)
    return None


def one_case(refuse: Any, name: str, tier: str, *, exported: bool, onwards: bool) -> int:
    """Refuse everything in turn; return how often the operation failed for it."""
    act = OPERATIONS[name]
    buffer, view = fresh(tier, exported=exported)
    expected_error = type(outcome(act, buffer))
    expected = state_of(buffer)
    met = successes = first = 0
    # Alone, a refusal may be made up for; five successes in a row are taken for the end.
    while successes < (1 if onwards else 5):
        del buffer, view
        buffer, view = fresh(tier, exported=exported)
        before = state_of(buffer)
        with refuse(first, onwards=onwards):
            raised = outcome(act, buffer)
        if type(raised) is expected_error:
            successes += 1
            assert state_of(buffer) == expected, (first, state_of(buffer), expected)
        else:
            met += 1
            successes = 0
            assert raised is not None, (first, "succeeded, though without refusals it does not")
            assert isinstance(raised, Exception), (first, repr(raised))
            if name in KEEPS_PART:
                content = bytes(buffer)
                assert content.startswith(before[0])
                assert expected[0].startswith(content)
                before = (content, len(content), *before[2:])
            check_intact(buffer, view, before)
        first += 1
    return met


def main() -> None:
    """Run one operation through all its cases."""
    what, name = sys.argv[1:3]
    refuse = refused_memory if what == "memory" else refused_system
    growable.set_defaults(pool_budget=0)  # warm storage needs no calls
    met = 0
    for tier in TIERS:
        for exported in (False, True):
            for onwards in (True, False):
                try:
                    met += one_case(refuse, name, tier, exported=exported, onwards=onwards)
                except AssertionError as error:
                    where = f"{name}, {tier}, exported={exported}, onwards={onwards}"
                    raise AssertionError(where) from error
    print(met)


if __name__ == "__main__":
    main()
