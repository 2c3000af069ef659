"""The operations of a Buffer that are refused what they need, and the states they are tried in.

The one thing a reader would get wrong: nothing here says what an operation gives. It is run once in
peace, and what it gave then is what it must give whenever a refusal does not make it fail.
"""

from __future__ import annotations

import _imp
import copy
import importlib.util
import io
import operator
import os
import pickle
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import growable
from growable import Buffer, _core

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import SubBuffer, pattern

KIB, MIB = 1 << 10, 1 << 20
CAN_REFUSE_CALLS = hasattr(_core, "_fault_arm")

CONTENT = pattern(200)
SMALL, MIDDLE, LARGE, HUGE = pattern(30, 1), pattern(5000, 2), pattern(150_000, 3), pattern(3 * MIB)
NUMBERS = list(MIDDLE[:1000])
FEW_NUMBERS = NUMBERS[:100]
PICKLED = pickle.dumps(Buffer(MIDDLE, capacity=9000, name="n"), 5)
SPEC = importlib.util.spec_from_file_location("growable._core", _core.__file__)
SOURCE = tempfile.TemporaryFile()  # noqa: SIM115, as long as the process
SOURCE.write(LARGE)
SOURCE.flush()


@dataclass(frozen=True)
class Operation:
    """What to do.

    It makes no function of its own: CPython 3.12 crashes where there is no memory for one.

    `foreign`: much of it is the interpreter's own code, which loses a MemoryError now and then and
    raises something else. `keeps`: a part of the work may stay after a failure.
    """

    act: Callable[[Any], Any]
    foreign: bool = False
    keeps: bool = False


@dataclass
class Subject:
    """A buffer, its exports, and whether it may not move.

    `lent` is what was written to a tail that is still lent.
    """

    buffer: Buffer
    views: tuple[memoryview, ...] = ()
    fixed: bool = False
    lent: bytes = b""


# States.


def exported(subject: Subject, times: int = 1) -> Subject:
    views = tuple(memoryview(subject.buffer) for _ in range(times))
    return Subject(subject.buffer, subject.views + views, fixed=True)


def small() -> Subject:
    return Subject(Buffer(CONTENT[:20]))


def heap() -> Subject:
    buffer = Buffer(CONTENT + bytes(1500))
    del buffer[len(CONTENT) :]
    return Subject(buffer)


def heap_full() -> Subject:
    buffer = heap().buffer
    buffer.resize(buffer.committed)
    return Subject(buffer)


def heap_exported() -> Subject:
    """No reservation could be had when it was exported."""
    buffer = heap().buffer
    _core._fault_arm(1, -1)
    try:
        return exported(Subject(buffer))
    finally:
        _core._fault_disarm()


def reserved() -> Subject:
    buffer = Buffer(CONTENT)
    memoryview(buffer).release()
    return Subject(buffer)


def reserved_full() -> Subject:
    buffer = reserved().buffer
    buffer.resize(buffer.committed)
    return Subject(buffer)


def large() -> Subject:
    return Subject(Buffer(CONTENT + bytes(5 * MIB)))


def with_reservation(size: int, build: Callable[[], Subject]) -> Subject:
    default = growable.info()["defaults"]["reservation"]
    growable.set_defaults(reservation=size)
    try:
        return build()
    finally:
        growable.set_defaults(reservation=default)


def outgrown() -> Subject:
    """Stands in a reservation so small that growth needs a larger one."""
    return with_reservation(64 * KIB, reserved)


def behind_a_gap() -> Subject:
    """Stands behind pages that were given back."""
    buffer = Buffer(bytes(3 * MIB) + CONTENT)
    del buffer[: 3 * MIB]
    return Subject(buffer)


def to_slide() -> Subject:
    """Stands in the middle of a small reservation, so that large growth moves it to the base."""

    def build() -> Subject:
        gap = 2 * MIB - 100 * KIB
        buffer = Buffer(b"\xee" * gap + CONTENT)
        del buffer[:gap]
        return Subject(buffer)

    return with_reservation(4 * MIB, build)


def pinned() -> Subject:
    buffer = Buffer(CONTENT)
    assert buffer.address
    return Subject(buffer, fixed=True)


def named() -> Subject:
    buffer = Buffer(CONTENT, name="frames")
    memoryview(buffer).release()
    return Subject(buffer)


def advised() -> Subject:
    try:
        buffer = Buffer(CONTENT, huge_pages=True)
    except growable.UnsupportedError:
        buffer = Buffer(CONTENT)
    memoryview(buffer).release()
    return Subject(buffer)


def advised_against() -> Subject:
    buffer = Buffer(CONTENT, huge_pages=False)
    memoryview(buffer).release()
    return Subject(buffer)


def lent() -> Subject:
    """Somebody has written to its tail, and nobody has taken that in."""
    buffer = reserved().buffer
    tail = buffer.spare(len(MIDDLE))
    tail[:] = MIDDLE
    return Subject(buffer, (tail,), fixed=True, lent=MIDDLE)


def frozen() -> Subject:
    buffer = reserved().buffer
    buffer.freeze()
    return Subject(buffer)


def released() -> Subject:
    buffer = reserved().buffer
    buffer.release()
    return Subject(buffer)


STATES: dict[str, Callable[[], Subject]] = {
    "small": small,
    "heap": heap,
    "heap, full": heap_full,
    "reserved": reserved,
    "reserved, full": reserved_full,
    "reserved, exported": lambda: exported(reserved()),
    "reserved, exported twice": lambda: exported(reserved(), 2),
    "reserved, full, exported": lambda: exported(reserved_full()),
    "capacity": lambda: Subject(Buffer(CONTENT, capacity=64 * MIB), fixed=True),
    "capacity, exported": lambda: exported(Subject(Buffer(CONTENT, capacity=64 * MIB))),
    "small capacity": lambda: Subject(Buffer(CONTENT, capacity=len(CONTENT)), fixed=True),
    "large": large,
    "large, exported": lambda: exported(large()),
    "outgrown": outgrown,
    "outgrown, exported": lambda: exported(outgrown()),
    "behind a gap": behind_a_gap,
    "behind a gap, exported": lambda: exported(behind_a_gap()),
    "to slide": to_slide,
    "to slide, exported": lambda: exported(to_slide()),
    "pinned": pinned,
    "named": named,
    "huge pages": advised,
    "no huge pages": advised_against,
    "subclass": lambda: Subject(SubBuffer(CONTENT)),
    "lent": lent,
    "frozen": frozen,
    "released": released,
}
if CAN_REFUSE_CALLS:
    STATES["heap, exported"] = heap_exported

# Operations.


def with_state(buffer: Any) -> Any:
    buffer.note = "n"
    return buffer


def release(pickle_buffer: pickle.PickleBuffer) -> None:
    pickle_buffer.release()


def read_descriptor(buffer: Buffer) -> Any:
    os.lseek(SOURCE.fileno(), 0, os.SEEK_SET)
    return buffer.read_from(SOURCE.fileno())


def load_anew(_: Buffer) -> None:
    """Make another copy of the module: types, errors, an environment, the self-test."""
    _imp.exec_dynamic(_imp.create_dynamic(SPEC))


def set_slice(values: Any, *bounds: int | None) -> Callable[[Any], None]:
    where = slice(*bounds)
    return lambda b: operator.setitem(b, where, values(b) if callable(values) else values)


def del_slice(*bounds: int | None) -> Callable[[Any], None]:
    where = slice(*bounds)
    return lambda b: operator.delitem(b, where)


GROUPS: dict[str, dict[str, Operation]] = {
    "growing": {
        "append": Operation(lambda b: b.append(7)),
        "extend": Operation(lambda b: b.extend(SMALL)),
        "extend by a page": Operation(lambda b: b.extend(MIDDLE)),
        "extend by many pages": Operation(lambda b: b.extend(LARGE)),
        "extend by a bytearray": Operation(lambda b: b.extend(bytearray(MIDDLE))),
        "extend by a view": Operation(lambda b: b.extend(memoryview(MIDDLE))),
        "extend by a list": Operation(lambda b: b.extend(NUMBERS)),
        "extend by an iterator": Operation(lambda b: b.extend(map(abs, FEW_NUMBERS))),
        "extend by itself": Operation(lambda b: b.extend(b)),
        "extend by its view": Operation(lambda b: b.extend(memoryview(b))),
        "+=": Operation(lambda b: operator.iadd(b, MIDDLE) and None),
        "+= very much": Operation(lambda b: operator.iadd(b, HUGE) and None),
        "+= another": Operation(lambda b: operator.iadd(b, SubBuffer(MIDDLE)) and None),
        "*=": Operation(lambda b: operator.imul(b, 5) and None),
        "insert": Operation(lambda b: b.insert(5, 7)),
        "insert at the end": Operation(lambda b: b.insert(len(b), 7)),
        "resize up": Operation(lambda b: b.resize(len(b) + 9000)),
        "resize far up": Operation(lambda b: b.resize(len(b) + 3 * MIB)),
    },
    "replacing": {
        "assign more": Operation(set_slice(MIDDLE, 2, 5)),
        "assign more at the end": Operation(set_slice(LARGE, 3, None)),
        "assign less": Operation(set_slice(b"ab", 2, 9)),
        "assign as much": Operation(set_slice(b"abc", 0, 3)),
        "assign a list": Operation(set_slice(NUMBERS, 2, 5)),
        "assign an iterator": Operation(set_slice(lambda b: map(abs, FEW_NUMBERS), 2, 5)),
        "assign itself": Operation(set_slice(lambda b: b, 2, 5)),
        "assign every other": Operation(set_slice(b"abc", 0, 6, 2)),
        "assign every other from its view": Operation(
            set_slice(lambda b: memoryview(b)[1:4], 0, 6, 2)
        ),
        "init": Operation(lambda b: b.__init__(MIDDLE)),
        "init from a list": Operation(lambda b: b.__init__([1, 2])),
        "init from a count": Operation(lambda b: b.__init__(9000)),
        "reverse": Operation(lambda b: b.reverse()),
    },
    "removing": {
        "*= 0": Operation(lambda b: operator.imul(b, 0) and None),
        "delete in front": Operation(del_slice(0, 5)),
        "delete in the middle": Operation(del_slice(5, 9)),
        "delete at the end": Operation(del_slice(5, None)),
        "delete every other": Operation(del_slice(None, None, 2)),
        "pop": Operation(lambda b: b.pop()),
        "remove": Operation(lambda b: b.remove(b[4])),
        "clear": Operation(lambda b: b.clear()),
        "resize down": Operation(lambda b: b.resize(7)),
        "take_bytes": Operation(lambda b: b.take_bytes(9)),
        "take all bytes": Operation(lambda b: b.take_bytes()),
    },
    "lending": {
        "export": Operation(lambda b: memoryview(b).tobytes()),
        "address": Operation(lambda b: b.address and None),
        "spare": Operation(lambda b: b.spare(9000)),
        "spare much": Operation(lambda b: b.spare(3 * MIB)),
        "advance": Operation(lambda b: b.advance(len(MIDDLE))),
        "read_from": Operation(lambda b: b.read_from(io.BytesIO(LARGE)), foreign=True, keeps=True),
        "read_from once": Operation(
            lambda b: b.read_from(io.BytesIO(LARGE), 9000), foreign=True, keeps=True
        ),
        "read_from a descriptor": Operation(read_descriptor, foreign=True, keeps=True),
    },
    "managing": {
        "ensure": Operation(lambda b: b.ensure(9000)),
        "ensure much": Operation(lambda b: b.ensure(9 * MIB)),
        "shrink_to_fit": Operation(lambda b: b.shrink_to_fit()),
        "freeze": Operation(lambda b: b.freeze()),
        "release": Operation(lambda b: b.release()),
        "with": Operation(lambda b: b.__enter__().__exit__(None, None, None)),
    },
    "reading": {
        "item": Operation(lambda b: b[3]),
        "slice": Operation(lambda b: b[3:15]),
        "steps": Operation(lambda b: b[::3]),
        "in": Operation(lambda b: b"xyz" in b),
        "find": Operation(lambda b: b.find(b[5:9])),
        "split": Operation(lambda b: b.split(b"\x07")),
        "upper": Operation(lambda b: b.upper()),
        "+": Operation(lambda b: b + MIDDLE),
        "*": Operation(lambda b: b * 2),
        "%": Operation(lambda b: b % ()),
        "==": Operation(lambda b: b == MIDDLE),
        "iterate": Operation(list),
        "repr": Operation(repr),
        "str": Operation(str),
        "sizeof": Operation(lambda b: b.__sizeof__() and None),
        "page_map": Operation(lambda b: _core.page_map(b) and None),
        "query": Operation(lambda b: _core.query() and None),
    },
    "copying": {
        "copy": Operation(copy.copy, foreign=True),
        "deepcopy": Operation(copy.deepcopy, foreign=True),
        "copy with state": Operation(lambda b: copy.copy(with_state(SubBuffer(b))), foreign=True),
        "reduce": Operation(lambda b: b.__reduce__()[1][1], foreign=True),
        "pickle": Operation(lambda b: pickle.dumps(b, 2), foreign=True),
        "pickle in band": Operation(lambda b: pickle.dumps(b, 5), foreign=True),
        "pickle out of band": Operation(
            lambda b: pickle.dumps(b, 5, buffer_callback=release), foreign=True
        ),
        "unpickle": Operation(lambda b: pickle.loads(PICKLED), foreign=True),
    },
    "making": {
        "make": Operation(lambda b: Buffer(LARGE)),
        "make of it": Operation(lambda b: Buffer(b)),
        "make of its view": Operation(lambda b: Buffer(memoryview(b)[::2])),
        "make of text": Operation(lambda b: Buffer("abc" * 50, "utf-8")),
        "make of a count": Operation(lambda b: Buffer(3 * MIB)),
        "make with a capacity": Operation(lambda b: Buffer(MIDDLE, capacity=MIB, name="n")),
        "make with too small a capacity": Operation(lambda b: Buffer(MIDDLE, capacity=4999)),
        "make a subclass": Operation(lambda b: SubBuffer(b)),
    },
}

# CPython 3.13.0 crashes in a dict of its own that found no memory to grow while a type was made.
if sys.version_info < (3, 13):
    GROUPS["making"]["load the module anew"] = Operation(load_anew, foreign=True)

# Where these differ from the others the interpreter's allocations have no part in it.
WITHOUT_BLOCKS = {
    "reserved, exported twice",
    "large",
    "large, exported",
    "behind a gap, exported",
    "to slide, exported",
    "named",
    "huge pages",
}
# Those that change nothing care for no more than where the bytes are.
UNCHANGING = {"reading", "copying", "making"}
FEW_STATES = ["small", "heap", "large", "reserved, exported"]


# A limit changes where the bytes go, not what is done to pages.
LIMITED_STATES = [
    "small",
    "heap, full",
    "reserved",
    "reserved, full, exported",
    "capacity",
    "outgrown",
]


def states_for(what: str, group: str, *, limited: bool) -> list[str]:
    if limited:
        return LIMITED_STATES
    states = FEW_STATES if group in UNCHANGING else list(STATES)
    return [state for state in states if what == "calls" or state not in WITHOUT_BLOCKS]
