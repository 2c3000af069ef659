"""NumPy, Arrow, MessagePack, Protocol Buffers, Pydantic, PyTorch and cffi on a Buffer."""

from __future__ import annotations

import io
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from growable import Buffer
from support import address_of, pattern, start_of

Need = Callable[[str], ModuleType]
Made = Callable[..., bytearray]
DATA = pattern(4000)


def test_numpy_frombuffer(need: Need, made: Made) -> None:
    numpy = need("numpy")
    content = made(DATA)
    array = numpy.frombuffer(content, dtype="<u4")
    assert array.sum() == numpy.frombuffer(DATA, dtype="<u4").sum()
    assert array.flags.writeable
    array[0] = 0x01020304
    assert content[:4] == b"\x04\x03\x02\x01"


def test_numpy_asarray(need: Need, made: Made) -> None:
    numpy = need("numpy")
    array = numpy.asarray(memoryview(made(DATA)))
    assert array.dtype == numpy.uint8
    assert bytes(array) == DATA


def test_numpy_array_of_it(need: Need) -> None:
    numpy = need("numpy")
    ours, model = numpy.array(Buffer(DATA)), numpy.array(bytearray(DATA))
    assert ours.dtype == model.dtype
    assert ours.shape == model.shape
    assert (ours == model).all()


def test_numpy_ndarray_over_it(need: Need, made: Made) -> None:
    numpy = need("numpy")
    content = made(DATA)
    matrix = numpy.ndarray((10, 10), dtype="<f4", buffer=content, offset=8)
    matrix[:] = 1.5
    assert content[8:12] == b"\x00\x00\xc0\x3f"


def test_numpy_array_is_appended(need: Need) -> None:
    """Unlike a bytearray, which leaves `+=` to NumPy, ours takes the array's bytes."""
    numpy = need("numpy")
    buffer = Buffer(b"ab")
    with memoryview(buffer):
        buffer += numpy.arange(3, dtype="u1")
        buffer.extend(numpy.arange(3, dtype="u1"))
    assert buffer == b"ab\x00\x01\x02\x00\x01\x02"


def test_numpy_save_and_load(need: Need, made: Made) -> None:
    numpy = need("numpy")
    stream = io.BytesIO()
    numpy.save(stream, numpy.arange(5))
    assert numpy.load(io.BytesIO(made(stream.getvalue()))).sum() == 10


def test_numpy_fromstring_refuses_or_takes_alike(need: Need) -> None:
    numpy = need("numpy")
    results = []
    for content in (bytearray(b"1,2,3"), Buffer(b"1,2,3")):
        try:
            results.append(numpy.fromstring(content, sep=",").tolist())
        except (TypeError, ValueError) as error:
            results.append(type(error))
    assert results[0] == results[1]


def test_pyarrow_buffer(need: Need, made: Made) -> None:
    pyarrow = need("pyarrow")
    content = made(DATA)
    shared = pyarrow.py_buffer(content)
    assert shared.to_pybytes() == DATA
    assert shared.is_mutable
    array = pyarrow.Array.from_buffers(pyarrow.int32(), 1000, [None, shared])
    assert array[0].as_py() == int.from_bytes(DATA[:4], "little", signed=True)


def test_pyarrow_scalar_and_reader(need: Need, made: Made) -> None:
    pyarrow = need("pyarrow")
    assert pyarrow.scalar(bytes(made(b"abc"))).as_py() == b"abc"
    assert pyarrow.BufferReader(made(DATA)).read() == DATA
    assert pyarrow.array([made(b"a"), made(b"bc")], type=pyarrow.binary())[1].as_py() == b"bc"


def test_pyarrow_ipc_stream(need: Need, made: Made) -> None:
    pyarrow = need("pyarrow")
    table = pyarrow.table({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content = made(sink.getvalue().to_pybytes())
    assert pyarrow.ipc.open_stream(content).read_all().equals(table)


def test_msgpack(need: Need, made: Made) -> None:
    msgpack = need("msgpack")
    packed = msgpack.packb({"a": [1, made(b"bin")]})
    assert packed == msgpack.packb({"a": [1, b"bin"]})
    assert msgpack.unpackb(made(packed)) == {"a": [1, b"bin"]}
    unpacker = msgpack.Unpacker()
    unpacker.feed(made(packed))
    assert next(unpacker) == {"a": [1, b"bin"]}


def test_msgpack_strict_types_refuses_every_subclass(need: Need) -> None:
    msgpack = need("msgpack")

    class Other(bytearray):
        pass

    for content in (Other(b"x"), Buffer(b"x")):
        with pytest.raises(TypeError, match="can not serialize"):
            msgpack.packb(content, strict_types=True)
    assert msgpack.packb(Buffer(b"x"), strict_types=True, default=bytes) == msgpack.packb(b"x")


def test_protobuf_parse(need: Need, made: Made) -> None:
    need("google.protobuf")
    wrappers = need("google.protobuf.wrappers_pb2")
    message = wrappers.BytesValue(value=DATA)
    content = made(message.SerializeToString())
    assert wrappers.BytesValue.FromString(content).value == DATA
    other = wrappers.BytesValue()
    assert other.ParseFromString(content) == len(content)
    other.MergeFromString(content)
    assert other.value == DATA


def test_protobuf_bytes_field_alike(need: Need) -> None:
    need("google.protobuf")
    wrappers = need("google.protobuf.wrappers_pb2")
    results = []
    for content in (bytearray(b"abc"), Buffer(b"abc")):
        try:
            results.append(wrappers.BytesValue(value=content).value)
        except TypeError as error:
            results.append(type(error))
    assert results[0] == results[1]


def test_pydantic(need: Need, made: Made) -> None:
    pydantic = need("pydantic")

    class Model(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        content: bytes
        count: int

    parsed = Model.model_validate_json(made(b'{"content": "abc", "count": 5}'))
    assert (parsed.content, parsed.count) == (b"abc", 5)
    assert Model(content=made(b"xyz"), count=1).content == b"xyz"


def test_pydantic_core_from_json(need: Need, made: Made) -> None:
    core = need("pydantic_core")
    assert core.from_json(made(b"[1, 2, 3]")) == [1, 2, 3]


def test_pydantic_serialises(need: Need, made: Made) -> None:
    core = need("pydantic_core")
    assert core.to_json({"a": made(b"abc")}) == b'{"a":"abc"}'
    assert core.to_json(made(b"\xff"), bytes_mode="hex") == b'"ff"'
    assert core.to_jsonable_python(made(b"abc")) == "abc"


def test_torch_frombuffer(need: Need, made: Made) -> None:
    torch = need("torch")
    content = made(DATA)
    tensor = torch.frombuffer(content, dtype=torch.int32)
    assert tensor[0].item() == int.from_bytes(DATA[:4], "little", signed=True)
    tensor[0] = 7
    assert content[:4] == b"\x07\x00\x00\x00"


def test_torch_frombuffer_offset(need: Need, made: Made) -> None:
    torch = need("torch")
    tensor = torch.frombuffer(made(DATA), dtype=torch.uint8, count=100, offset=50)
    assert bytes(tensor.tolist()) == DATA[50:150]


def take_memoryview(need: Need, buffer: Buffer) -> Any:
    return memoryview(buffer)


def take_ndarray(need: Need, buffer: Buffer) -> Any:
    return need("numpy").frombuffer(buffer, dtype="u1")


def take_arrow(need: Need, buffer: Buffer) -> Any:
    return need("pyarrow").py_buffer(buffer)


def take_tensor(need: Need, buffer: Buffer) -> Any:
    torch = need("torch")
    return torch.frombuffer(buffer, dtype=torch.uint8)


def take_tensor_of_view(need: Need, buffer: Buffer) -> Any:
    torch = need("torch")
    return torch.frombuffer(memoryview(buffer), dtype=torch.uint8)


def take_cdata(need: Need, buffer: Buffer) -> Any:
    ffi = need("cffi").FFI()
    return ffi.buffer(ffi.from_buffer(buffer))


def where_memoryview(view: Any) -> int:
    return address_of(view)


def where_ndarray(view: Any) -> int:
    return int(view.ctypes.data)


def where_arrow(view: Any) -> int:
    return int(view.address)


def where_tensor(view: Any) -> int:
    return int(view.data_ptr())


CONSUMERS: dict[str, tuple[Callable[[Need, Buffer], Any], Callable[[Any], int]]] = {
    "memoryview": (take_memoryview, where_memoryview),
    "ndarray": (take_ndarray, where_ndarray),
    "pyarrow": (take_arrow, where_arrow),
    "tensor": (take_tensor, where_tensor),
    "cffi": (take_cdata, where_memoryview),
    "tensor of a view": (take_tensor_of_view, where_tensor),
}

# torch.frombuffer(x) keeps x alive, but ends its export at once: nothing tells a Buffer (or a
# bytearray) that somebody still looks. Through a memoryview the export lasts.
EXPORTING = [name for name in CONSUMERS if name != "tensor"]

SMALL = b"0123456789"


def contents(view: Any) -> bytes:
    return bytes(view.tolist()) if hasattr(view, "data_ptr") else bytes(view)


def grow_to_a_gigabyte(buffer: Buffer) -> None:
    """Bytes for the first 64 MiB, zeros for the rest: its pages need not be touched."""
    chunk = pattern(1 << 20)
    for _ in range(64):
        buffer += chunk
    while len(buffer) < 1 << 30:
        buffer.resize(min(len(buffer) * 2, 1 << 30))
    assert len(buffer) == 1 << 30


@pytest.mark.parametrize("name", CONSUMERS)
def test_one_taken_at_ten_bytes_is_valid_at_a_gigabyte(need: Need, name: str) -> None:
    take, where = CONSUMERS[name]
    buffer = Buffer(SMALL)
    view = take(need, buffer)
    before = where(view)
    assert before == start_of(buffer)
    grow_to_a_gigabyte(buffer)
    assert where(view) == before == start_of(buffer)
    assert contents(view) == SMALL
    buffer[3] = ord("X")
    assert contents(view) == b"012X456789"
    assert buffer.exports == (1 if name in EXPORTING else 0)


def test_all_taken_at_ten_bytes_are_valid_at_a_gigabyte(need: Need) -> None:
    buffer = Buffer(SMALL)
    views = {name: take(need, buffer) for name, (take, _) in CONSUMERS.items()}
    before = {name: CONSUMERS[name][1](view) for name, view in views.items()}
    grow_to_a_gigabyte(buffer)
    assert len({*before.values(), start_of(buffer)}) == 1
    for name, view in views.items():
        assert CONSUMERS[name][1](view) == before[name]
        assert contents(view) == SMALL
    views["ndarray"][0] = ord("Z")
    assert all(contents(view) == b"Z123456789" for view in views.values())


@pytest.mark.parametrize("name", EXPORTING)
def test_an_export_ends_with_its_holder(need: Need, name: str) -> None:
    take, _ = CONSUMERS[name]
    buffer = Buffer(SMALL)
    view = take(need, buffer)
    with pytest.raises(BufferError):
        buffer.clear()
    del view
    assert buffer.exports == 0
    buffer.clear()


def test_an_address_taken_from_a_cdata_that_is_gone(need: Need) -> None:
    """As in `lib.f(ffi.cast("char *", ffi.from_buffer(b)))`: the export ends before the call."""
    ffi = need("cffi").FFI()
    buffer = Buffer(SMALL)
    pointer = ffi.cast("char *", ffi.from_buffer(buffer))
    assert buffer.exports == 0
    pointer[3] = b"X"
    assert buffer == b"012X456789"
    buffer[4:6] = b"YZ"
    assert ffi.buffer(pointer, 10)[:] == b"012XYZ6789"


@pytest.mark.parametrize("name", CONSUMERS)
def test_a_holder_keeps_the_buffer_alive(need: Need, name: str) -> None:
    take, _ = CONSUMERS[name]
    view = take(need, Buffer(SMALL))
    assert contents(view) == SMALL
