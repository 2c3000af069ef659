"""Operations on an Array while what they ask for is refused, one thing after the other.

Run as a child by the test beside it: `python array_faults.py WHAT OPERATION...`, where WHAT is `memory`
(the interpreter's allocations) or `system` (our calls into the operating system). What fails must leave the
Array as it was; what succeeds all the same must have done its work. Prints how many refusals were met.

Only contents are compared: where memory is refused to NumPy or to a generator, these may lose a
reference, and with it an export, in the versions that we know.
"""

from __future__ import annotations

import contextlib
import copy
import io
import pickle
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from growable import Array, _core

LOT = np.arange(5000.0)
ROWS = [1.5, 2.5] * 50

OPERATIONS: dict[str, Callable[[Array], Any]] = {
    "append": lambda a: a.append(1.5),
    "append a scalar of NumPy's": lambda a: a.append(np.float32(1.5)),
    "extend a little": lambda a: a.extend(LOT[:3]),
    "extend a lot": lambda a: a.extend(LOT),
    "extend strided": lambda a: a.extend(LOT[::2]),
    "extend a cast": lambda a: a.extend(LOT.astype("f4")),
    "extend a list": lambda a: a.extend(ROWS),
    "extend an iterator": lambda a: a.extend(iter(ROWS)),
    "extend itself": lambda a: a.extend(a),
    "insert": lambda a: a.insert(1, 1.5),
    "pop": lambda a: a.pop(),
    "pop the first": lambda a: a.pop(0),
    "delete": lambda a: a.__delitem__(slice(1, 2)),
    "delete steps": lambda a: a.__delitem__(slice(None, None, 2)),
    "clear": lambda a: a.clear(),
    "resize up": lambda a: a.resize(5000),
    "resize filled": lambda a: a.resize(5000, 2.5),
    "spare": lambda a: a.spare(100),
    "ensure": lambda a: a.ensure(100_000),
    "shrink_to_fit": lambda a: a.shrink_to_fit(),
    "read_from": lambda a: a.read_from(io.BytesIO(LOT.tobytes()), 50),
    "view": lambda a: a.view(),
    "read-only view": lambda a: a.view(readonly=True),
    "index": lambda a: a[1],
    "export": lambda a: memoryview(a).release(),
    "arrow": lambda a: a.__arrow_c_array__(),
    "dlpack": lambda a: a.__dlpack__(),
    "copy": copy.copy,
    "pickle": lambda a: pickle.loads(pickle.dumps(a, 5)),
    "construct": lambda a: Array(LOT, name="name"),
}
CHANGES = {
    *("append", "append a scalar of NumPy's", "extend a little", "extend a lot", "extend strided"),
    *("extend a cast", "extend a list", "extend an iterator", "extend itself", "insert", "pop"),
    *(
        "pop the first",
        "delete",
        "delete steps",
        "clear",
        "resize up",
        "resize filled",
        "read_from",
    ),
}


KINDS = ("fresh", "viewed", "large")


def fresh(kind: str) -> Array:
    made = Array([1.0, 2.0, 3.0])
    if kind == "viewed":
        made.view()
    if kind == "large":
        made.extend(LOT)
        made.ensure(5000)
    return made


@contextlib.contextmanager
def refused_memory(first: int) -> Iterator[None]:
    """Refuse the interpreter's allocation number `first`."""
    import _testcapi

    _testcapi.set_nomemory(first, first + 1)
    try:
        yield
    finally:
        _testcapi.remove_mem_hooks()


@contextlib.contextmanager
def refused_system(first: int) -> Iterator[None]:
    """Refuse our call number `first` into the operating system, and all later ones."""
    _core._fault_arm(first + 1, -1)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        _core._fault_disarm()  # type: ignore[attr-defined]


REFUSED = {"memory": refused_memory, "system": refused_system}


def run(what: str, name: str, kind: str) -> int:
    act = OPERATIONS[name]
    act(fresh(kind))  # imports and caches
    expected = fresh(kind)
    act(expected)
    result = expected.tobytes() if name in CHANGES else fresh(kind).tobytes()
    met = 0
    for first in range(2000):
        made, kept, error = fresh(kind), None, None
        try:
            with REFUSED[what](first):
                kept = act(made)
        except BaseException as raised:
            error = type(raised)
        after = made.tobytes()
        if error is None:
            assert after == result, (name, kind, first, after)
        elif name == "read_from":  # what was read stays
            met += 1
            assert after.startswith(fresh(kind).tobytes())
        else:
            met += 1
            assert after == fresh(kind).tobytes(), (name, kind, first, error, after)
        del kept
        made.append(9.0)
        assert made[-1] == 9.0
        if error is None and first > 50 and met + 100 < first:
            break
    return met


if __name__ == "__main__":
    for name in sys.argv[2:]:
        print(f"{name}: {sum([run(sys.argv[1], name, kind) for kind in KINDS])}", flush=True)
