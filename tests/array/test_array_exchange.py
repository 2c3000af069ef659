"""The buffer protocol and DLPack: typed, without a copy, and counted."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import numpy as np
import pytest
from array_support import data_of
from growable import Array, Buffer

UNTYPED = {"datetime", "timedelta", "void", "structured", "padded", "structured row"}


def test_buffer_protocol_is_the_views(case: Any, request: pytest.FixtureRequest) -> None:
    made = case.make(case.rows(4))
    if request.node.callspec.params["case"] in UNTYPED:
        with pytest.raises(BufferError, match="cannot describe"):
            memoryview(made)
        return
    with memoryview(made) as ours, memoryview(made.view()) as theirs:
        for name in ("format", "itemsize", "shape", "strides", "nbytes", "readonly"):
            assert getattr(ours, name) == getattr(theirs, name), name
        assert made.exports == 1
    assert made.exports == 0


def test_plain_bytes_are_there_for_every_dtype(case: Any) -> None:
    rows = case.rows(4)
    made = case.make(rows)
    assert hashlib.sha256(made).digest() == hashlib.sha256(rows.tobytes()).digest()
    stream = io.BytesIO()
    stream.write(made)
    assert stream.getvalue() == rows.tobytes()
    copied = Buffer()
    copied.extend(made)
    assert copied == rows.tobytes()


def test_memoryview_stays_valid_while_growing() -> None:
    made = Array([1.0, 2.0])
    view = memoryview(made)
    made.extend(np.zeros(1_000_000))
    view[0] = 5.0
    assert made[0] == 5.0
    assert view.tolist() == [5.0, 2.0]


def test_frozen_rows_are_exported_read_only() -> None:
    made = Array([1.0])
    made.freeze()
    assert memoryview(made).readonly
    with pytest.raises((BufferError, ValueError, TypeError)):
        io.BytesIO(b"x" * 8).readinto(made)


def test_rows_can_be_read_into() -> None:
    made = Array([0.0, 0.0])
    assert io.BytesIO(np.array([1.0, 2.0]).tobytes()).readinto(made) == 16
    assert made.tolist() == [1.0, 2.0]


def test_dlpack_shares_memory_and_is_an_export() -> None:
    made = Array(np.arange(6.0).reshape(3, 2))
    shared = np.from_dlpack(made)
    assert data_of(shared) == data_of(made.view())
    assert made.__dlpack_device__() == (1, 0)
    assert made.exports == 1
    with pytest.raises(BufferError):
        made.pop()
    made.append([6.0, 7.0])
    assert shared.tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    del shared
    made.pop()


def test_dlpack_capsule_is_an_export_until_it_goes() -> None:
    made = Array([1.0])
    capsule = made.__dlpack__()
    assert made.exports == 1
    del capsule
    assert made.exports == 0


def test_dlpack_refuses_dates() -> None:
    with pytest.raises(BufferError):
        Array(["2020-01-01"], "M8[D]").__dlpack__()


def test_dlpack_only_source_is_taken() -> None:
    class Tensor:
        def __init__(self, rows: Any) -> None:
            self.rows = rows

        def __dlpack__(self, **options: Any) -> Any:
            return self.rows.__dlpack__(**options)

        def __dlpack_device__(self) -> Any:
            return self.rows.__dlpack_device__()

    made = Array()
    made.extend(Tensor(np.arange(3.0)))
    assert made.tolist() == [0.0, 1.0, 2.0]
