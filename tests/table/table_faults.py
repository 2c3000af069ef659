"""Operations on a Table while the interpreter's allocations are refused, one after the other.

Run as a child by the test beside it: `python table_faults.py OPERATION...`. What fails must leave
all columns as they were; what succeeds all the same must have done its work in all of them. Prints
how many refusals were met.
"""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from growable import Table

SCHEMA = {"a": "i4", "b": "f8", "t": "datetime64[s]"}
TIME = np.datetime64(7, "s")
LOT = {
    "a": np.arange(5000, dtype="i4"),
    "b": np.arange(5000.0),
    "t": np.arange(5000).astype("datetime64[s]"),
}

OPERATIONS: dict[str, Callable[[Table], Any]] = {
    "append": lambda t: t.append((1, 2.5, TIME)),
    "append by name": lambda t: t.append(t=TIME, a=1, b=2.5),
    "append a mapping": lambda t: t.append({"b": 2.5, "t": TIME, "a": 1}),
    "append a list": lambda t: t.append([1, 2.5, "2026-01-01"]),
    "extend": lambda t: t.extend(LOT),
    "extend with casts": lambda t: t.extend({**LOT, "a": LOT["a"].astype("i8")}),
    "extend with rows": lambda t: t.extend([(1, 2.5, TIME), (2, 3.5, TIME)]),
    "extend itself": lambda t: t.extend(t),
    "ensure": lambda t: t.ensure(100_000),
    "spare": lambda t: t.spare(100),
    "pop": lambda t: t.pop(),
    "delete the first": lambda t: t.__delitem__(0),
    "delete": lambda t: t.__delitem__(slice(1, 2)),
    "delete steps": lambda t: t.__delitem__(slice(None, None, 2)),
    "clear": lambda t: t.clear(),
    "a row": lambda t: t[1],
    "rows": lambda t: t[:2],
    "columns": lambda t: t[["a", "t"]],
    "iterate": lambda t: list(t),
    "structured": lambda t: t.to_numpy(structured=True),
    "arrow": lambda t: t.__arrow_c_array__(),
    "arrow stream": lambda t: t.__arrow_c_stream__(),
    "arrow schema": lambda t: t.__arrow_c_schema__(),
    "copy": copy.copy,
    "pickle": lambda t: pickle.loads(pickle.dumps(t, 5)),
    "construct": lambda t: Table(SCHEMA, name="name"),
    "repr": repr,
}
CHANGES = {
    *("append", "append by name", "append a mapping", "append a list", "extend"),
    *("extend with casts", "extend with rows", "extend itself", "pop", "delete the first"),
    *("delete", "delete steps", "clear"),
}


def fresh(kind: str) -> Table:
    made = Table(SCHEMA)
    made.extend({name: values[:3] for name, values in LOT.items()})
    if kind == "viewed":
        made.to_numpy()
    return made


def contents(table: Table) -> list[bytes]:
    return [column.tobytes() for _, column in table.items()]


def run(name: str, kind: str) -> int:
    import _testcapi

    act = OPERATIONS[name]
    act(fresh(kind))  # imports and caches
    expected = fresh(kind)
    act(expected)
    before = contents(fresh(kind))
    result = contents(expected) if name in CHANGES else before
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
        after = contents(made)
        if error is None:
            assert after == result, (name, kind, first, after)
        else:
            met += 1
            assert after == before, (name, kind, first, error, after)
        del kept
        made.append((9, 9.0, TIME))
        assert made[-1] == (9, 9.0, TIME)
        if error is None and first > 50 and met + 100 < first:
            break
    return met


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(f"{name}: {sum([run(name, kind) for kind in ('fresh', 'viewed')])}", flush=True)
