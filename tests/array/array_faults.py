"""Operations on an Array while the interpreter's allocations are refused, one after the other.

Run as a child by the test beside it: `python array_faults.py OPERATION...`. What fails must leave the
Array as it was; what succeeds all the same must have done its work. Prints how many refusals were met.

Only contents are compared: where memory is refused to NumPy or to a generator, these may lose a
reference, and with it an export, in the versions that we know.
"""

from __future__ import annotations

import copy
import io
import pickle
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from growable import Array

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


def fresh(kind: str) -> Array:
    made = Array([1.0, 2.0, 3.0])
    if kind == "viewed":
        made.view()
    return made


def run(name: str, kind: str) -> int:
    import _testcapi

    act = OPERATIONS[name]
    act(fresh(kind))  # imports and caches
    expected = fresh(kind)
    act(expected)
    result = expected.tobytes() if name in CHANGES else fresh(kind).tobytes()
    met = 0
    for first in range(2000):
        made, kept, error = fresh(kind), None, None
        _testcapi.set_nomemory(first, first + 1)
        try:
            kept = act(made)
        except BaseException as raised:
            error = type(raised)
        finally:
            _testcapi.remove_mem_hooks()
        after = made.tobytes()
        if error is None:
            assert after == result, (name, kind, first, after)
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
    for name in sys.argv[1:]:
        print(f"{name}: {sum([run(name, kind) for kind in ('fresh', 'viewed')])}", flush=True)
