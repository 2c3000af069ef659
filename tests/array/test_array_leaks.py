"""Nothing is left behind: no objects, no exports, no reservations; errors included."""

from __future__ import annotations

import contextlib
import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import growable
import numpy as np
import pytest
from growable import Array
from support import blocks_kept_by

ROWS = np.arange(10.0)


def refused(act: Callable[[], Any]) -> None:
    with contextlib.suppress(Exception):
        act()


OPERATIONS: dict[str, Callable[[Array], Any]] = {
    "append": lambda a: (a.append(1.5), a.append(np.float32(1)), a.append(ROWS[1:2].reshape(()))),
    "extend": lambda a: (a.extend(ROWS), a.extend(ROWS[::2]), a.extend([1, 2.5]), a.extend(a)),
    "extend an iterator": lambda a: a.extend(iter([1.5, 2])),
    "insert": lambda a: a.insert(1, 2.0),
    "remove": lambda a: (a.pop(), a.pop(0), a.__delitem__(slice(None, None, 2))),
    "resize": lambda a: (a.resize(20), a.resize(40, 1.5), a.resize(3)),
    "spare": lambda a: (a.spare(5), a.advance(2)),
    "read_from": lambda a: a.read_from(io.BytesIO(ROWS.tobytes() + b"abc")),
    "views": lambda a: (a.view(), a.view(), a.view(readonly=True), a[1:], a[0], a[[0, 1]]),
    "protocols": lambda a: (np.asarray(a), np.array(a), memoryview(a), np.from_dlpack(a)),
    "interface": lambda a: a.__array_interface__,
    "arrow": lambda a: (a.__arrow_c_array__(), a.__arrow_c_schema__()),
    "arrow struct": lambda a: Array(dtype=[("a", "i4"), ("b", "U2")]).__arrow_c_array__(),
    "ufuncs": lambda a: (a + a, np.add(a, 1, out=a), np.mean(a), np.concatenate([a, a])),
    "copies": lambda a: (a.copy(), copy.deepcopy(a), pickle.loads(pickle.dumps(a, 5))),
    "repr": repr,
    "state": lambda a: (a.freeze(), len(a.view()), a.release()),
    "refused append": lambda a: refused(lambda: a.append("x")),
    "refused extend": lambda a: refused(lambda: a.extend([1.0, "x"])),
    "refused shape": lambda a: refused(lambda: a.extend(np.zeros((2, 2)))),
    "refused pop": lambda a: (a.view(), refused(lambda: [a.view(), a.pop()])),
    "refused arrow": lambda a: refused(Array(dtype="c16").__arrow_c_array__),
    "refused view": lambda a: refused(lambda: a.view(5)),  # type: ignore[call-arg]
    "refused construction": lambda a: refused(lambda: Array(dtype=object)),
    "refused node": lambda a: refused(
        lambda: growable._core.arrow_array(("g", "", 1, 0, (None, a, 5), ()))
    ),
}


@pytest.mark.usefixtures("small_heap")
@pytest.mark.parametrize("name", OPERATIONS)
def test_nothing_is_left_behind(name: str) -> None:
    def life() -> None:
        OPERATIONS[name](Array([1.0, 2.0, 3.0]))

    assert blocks_kept_by(life) < 0.5
    assert growable.info()["pool"]["reservations"] < 100
