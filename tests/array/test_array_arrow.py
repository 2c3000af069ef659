"""The Arrow PyCapsule interface, read with ctypes: what is exported, and when it is given back.

What pyarrow and polars make of it is tested with the other consumers.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import io
import threading
from typing import Any

import numpy as np
import pytest
from array_support import data_of
from growable import Array, _core
from growable.arrow import describe


class Schema(ctypes.Structure):
    """struct ArrowSchema."""


class Contents(ctypes.Structure):
    """struct ArrowArray."""


Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_char_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(Schema))),
    ("dictionary", ctypes.c_void_p),
    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(Schema))),
    ("private_data", ctypes.c_void_p),
]
Contents._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(Contents))),
    ("dictionary", ctypes.c_void_p),
    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(Contents))),
    ("private_data", ctypes.c_void_p),
]

_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype = ctypes.c_void_p
_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]


def schema_of(capsule: Any) -> Any:
    return Schema.from_address(_pointer(capsule, b"arrow_schema"))


def contents_of(capsule: Any) -> Any:
    return Contents.from_address(_pointer(capsule, b"arrow_array"))


FORMATS = {
    "i1": b"c",
    "u1": b"C",
    "i2": b"s",
    "u2": b"S",
    "i4": b"i",
    "u4": b"I",
    "i8": b"l",
    "u8": b"L",
    "f2": b"e",
    "f4": b"f",
    "f8": b"g",
    "M8[s]": b"tss:",
    "M8[ms]": b"tsm:",
    "M8[us]": b"tsu:",
    "M8[ns]": b"tsn:",
    "m8[s]": b"tDs",
    "m8[ms]": b"tDm",
    "m8[us]": b"tDu",
    "m8[ns]": b"tDn",
    "S5": b"w:5",
    "V3": b"w:3",
}
CONVERTED = {
    "?": b"b",
    "U3": b"U",
    ">i4": b"i",
    ">M8[s]": b"tss:",
    "M8[D]": b"tdD",
    "M8[h]": b"tss:",
    "M8[Y]": b"tss:",
    "M8[10ms]": b"tsm:",
    "m8[D]": b"tDs",
}


@pytest.mark.parametrize("dtype", FORMATS)
def test_what_arrow_lays_out_alike_is_not_copied(dtype: str) -> None:
    made = Array(dtype=dtype)
    made.resize(5)
    schema, contents = made.__arrow_c_array__()
    assert schema_of(schema).format == FORMATS[dtype]
    found = contents_of(contents)
    assert (found.length, found.null_count, found.offset, found.n_buffers) == (5, 0, 0, 2)
    assert found.buffers[0] is None
    assert found.buffers[1] == data_of(made.view())
    assert schema_of(made.__arrow_c_schema__()).format == FORMATS[dtype]


@pytest.mark.parametrize("dtype", CONVERTED)
def test_the_rest_is_converted(dtype: str) -> None:
    made = Array(dtype=dtype)
    made.resize(5)
    schema, contents = made.__arrow_c_array__()
    assert schema_of(schema).format == CONVERTED[dtype]
    assert contents_of(contents).length == 5
    assert contents_of(contents).buffers[1] != data_of(made.view())
    assert made.exports == 0


LONG_DOUBLE = pytest.param(
    "g", marks=pytest.mark.skipif(np.dtype("g").itemsize == 8, reason="a double here, as Arrow's")
)


@pytest.mark.parametrize("dtype", ["c8", "c16", LONG_DOUBLE, "m8", "m8[Y]", "M8[ps]"])
def test_what_arrow_lacks_is_refused(dtype: str) -> None:
    with pytest.raises(TypeError, match="Arrow has no type"):
        Array(dtype=dtype).__arrow_c_array__()
    with pytest.raises(TypeError, match="Arrow has no type"):
        Array(dtype=dtype).__arrow_c_schema__()


def test_days_that_do_not_fit_are_refused() -> None:
    with pytest.raises(OverflowError, match="32 bits"):
        Array(np.array([2**31], "M8[D]")).__arrow_c_array__()


@pytest.mark.parametrize("dtype", ["<U2", ">U2", [("a", "i4"), ("b", "U3")]])
def test_what_is_no_character_is_refused(dtype: Any) -> None:
    made = Array(dtype=dtype)
    assert made.read_from(io.BytesIO(b"\xff" * made.itemsize * 2)) == 2
    with pytest.raises(UnicodeEncodeError, match="0xffffffff, in row 0, is no code point"):
        made.__arrow_c_array__()


def test_the_last_code_points_go_out() -> None:
    node = describe(Array(["a\U0010ffff", ""]).view())
    assert node[4][2] == "a\U0010ffff".encode()
    with pytest.raises(UnicodeEncodeError, match="surrogates"):
        Array(["\ud800"]).__arrow_c_array__()


@pytest.mark.parametrize("unit", ["h", "m", "W", "10us", "7D", "2s"])
@pytest.mark.parametrize("kind", "mM")
def test_times_that_would_wrap_are_refused(kind: str, unit: str) -> None:
    made = Array(np.array([-5, 2**63 - 1], "i8").view(f"{kind}8[{unit}]"))
    with pytest.raises(OverflowError, match="out of bounds"):
        made.__arrow_c_array__()
    made[1] = "NaT"
    (validity, values) = describe(made.view())[4]
    assert values[0] == made[0]
    assert validity is not None


@pytest.mark.parametrize("unit", ["M", "Y"])
def test_years_that_would_wrap_are_refused(unit: str) -> None:
    for count in (2**62, -(2**62), 2**50):
        with pytest.raises(OverflowError, match="out of bounds"):
            Array(np.array([count], "i8").view(f"M8[{unit}]")).__arrow_c_array__()
    Array(np.array([-2000, 2000, 10**6], "i8").view(f"M8[{unit}]")).__arrow_c_array__()


def test_capsule_is_an_export_until_it_goes() -> None:
    made = Array([1.0, 2.0])
    capsules = made.__arrow_c_array__()
    assert made.exports == 1
    with pytest.raises(BufferError):
        made.pop()
    made.append(3.0)
    assert contents_of(capsules[1]).length == 2
    del capsules
    assert made.exports == 0


def test_receiver_releases_on_a_thread_of_its_own() -> None:
    made = Array([1.0, 2.0])
    capsule = made.__arrow_c_array__()[1]
    found = contents_of(capsule)
    thread = threading.Thread(target=lambda: found.release(ctypes.byref(found)))
    thread.start()
    thread.join()
    assert made.exports == 0
    assert not found.release
    del capsule  # nothing is released twice
    gc.collect()
    made.pop()


def test_children_may_be_released_apart() -> None:
    made = Array(np.arange(12.0).reshape(2, 3, 2))
    schema, capsule = made.__arrow_c_array__()
    found = contents_of(capsule)
    assert schema_of(schema).format == b"+w:3"
    assert schema_of(schema).children[0][0].format == b"+w:2"
    assert (found.length, found.children[0][0].length) == (2, 6)
    leaf = found.children[0][0].children[0][0]
    assert leaf.length == 12
    assert leaf.buffers[1] == data_of(made.view())
    leaf.release(ctypes.byref(leaf))
    assert made.exports == 0
    del capsule, schema


def test_not_a_time_is_a_null() -> None:
    made = Array(["2020-01-01", "NaT", "NaT", "2021-01-01"], "M8[ns]")
    capsule = made.__arrow_c_array__()[1]
    found = contents_of(capsule)
    assert found.null_count == 2
    assert ctypes.string_at(found.buffers[0], 1) == bytes([0b1001])
    assert found.buffers[1] == data_of(made.view())
    del capsule


def test_structured_rows_are_a_struct() -> None:
    made = Array(dtype=[("a", "i4"), ("b", "f4", (2,))])
    made.extend([(1, (2.0, 3.0)), (4, (5.0, 6.0))])
    schema, contents = made.__arrow_c_array__()
    found = schema_of(schema)
    assert found.format == b"+s"
    assert [found.children[i][0].name for i in range(2)] == [b"a", b"b"]
    assert found.children[1][0].format == b"+w:2"
    values = contents_of(contents).children[0][0].buffers[1]
    assert list((ctypes.c_int32 * 2).from_address(values)) == [1, 4]


def test_empty_rows_can_be_exported() -> None:
    for made in (Array(), Array(dtype="U2"), Array(dtype="?"), Array(row_shape=(2, 2))):
        capsule = made.__arrow_c_array__()[1]
        assert contents_of(capsule).length == 0


def test_requested_schema_is_not_looked_at() -> None:
    assert len(Array([1.0]).__arrow_c_array__(requested_schema=object())) == 2


@pytest.mark.parametrize(
    "node",
    [
        None,
        (),
        ("l", "", 1, 0, (None,), (None,)),
        ("l", "", 1, 0, (5,), ()),
        ("l", "", 1, 0, [None], ()),
        ("l\0", "", 1, 0, (None,), ()),
        ("+s", "", 1, 0, (None,), (("l", "", 1, 0, (None, b"12345678"), ()), 7)),
    ],
    ids=repr,
)
def test_node_that_is_none_is_refused(node: Any) -> None:
    with pytest.raises((TypeError, ValueError, BufferError)):
        _core.arrow_array(node)
    if node is not None and len(node) == 6 and node[4] != (5,):
        with pytest.raises((TypeError, ValueError)):
            _core.arrow_schema(node)


def test_node_that_is_too_deep_is_refused() -> None:
    node = describe(np.zeros(1))
    for _ in range(200_000):
        node = ("+s", "", 1, 0, (None,), (node,))
    for make in (_core.arrow_schema, _core.arrow_array):
        with pytest.raises(RecursionError):
            make(node)
    while node[5]:  # or the tuples' own deallocation would be as deep
        node = node[5][0]


class Stream(ctypes.Structure):
    """struct ArrowArrayStream."""


Stream._fields_ = [
    ("get_schema", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Stream), ctypes.POINTER(Schema))),
    ("get_next", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Stream), ctypes.POINTER(Contents))),
    ("get_last_error", ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.POINTER(Stream))),
    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(Stream))),
    ("private_data", ctypes.c_void_p),
]


def stream_of(capsule: Any) -> Any:
    return Stream.from_address(_pointer(capsule, b"arrow_array_stream"))


def test_a_stream_gives_its_array_once() -> None:
    capsule = _core.arrow_stream(describe(np.arange(4, dtype="i4")))
    stream, schema, contents = stream_of(capsule), Schema(), Contents()
    assert stream.get_schema(stream, schema) == 0
    assert schema.format == b"i"
    assert stream.get_next(stream, contents) == 0
    assert contents.length == 4
    contents.release(contents)
    schema.release(schema)
    assert stream.get_next(stream, contents) == 0
    assert not contents.release
    assert stream.get_last_error(stream) is None


def test_a_stream_tells_why_it_gives_nothing() -> None:
    capsule = _core.arrow_stream((1, 2, 3))
    stream, schema, contents = stream_of(capsule), Schema(), Contents()
    assert stream.get_schema(stream, schema) == errno.EINVAL
    assert stream.get_next(stream, contents) == errno.EINVAL
    assert stream.get_last_error(stream).startswith(b"growable: ")


def test_a_stream_that_its_consumer_released_is_released_once() -> None:
    capsule = _core.arrow_stream(describe(np.zeros(1)))
    stream = stream_of(capsule)
    stream.release(stream)
    assert not stream.release
    del capsule


def test_rows_are_items_of_the_sequence_protocol() -> None:
    item = ctypes.pythonapi.PySequence_GetItem
    item.restype, item.argtypes = ctypes.py_object, [ctypes.py_object, ctypes.c_ssize_t]
    assert item(Array([1, 2, 3]), 1) == 2
