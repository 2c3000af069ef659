"""pickle in and out of band, copy and deepcopy: contents, type, attributes, and no copy where none
is due."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import growable
import pytest
from growable import Buffer
from support import check, pattern, start_of

Make = Callable[..., Buffer]
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
SIZES = [0, 1, 23, 24, 300, 70_000]


class Dict(Buffer):
    """Has a `__dict__`."""


class Slots(Buffer):
    """Has slots and no `__dict__`."""

    __slots__ = ("left", "right")


class Both(Buffer):
    """Has slots and a `__dict__`."""

    __slots__ = ("__dict__", "left")


class Stateful(Buffer):
    """Says itself what its state is."""

    secret: Any

    def __getstate__(self) -> Any:
        return ("state", self.secret)

    def __setstate__(self, state: Any) -> None:
        assert state[0] == "state"
        self.secret = state[1]


class NeedsArguments(Buffer):
    """Cannot be made without arguments of its own."""

    def __init__(self, size: int, *, tag: str) -> None:
        super().__init__(size)
        self.tag = tag


class Index(Buffer):
    """Is an integer as well."""

    def __index__(self) -> int:
        return 5


class Cautious(Buffer):
    """Refuses to take its state."""

    def __getstate__(self) -> Any:
        return 1

    def __setstate__(self, state: Any) -> None:
        raise KeyError(state)


WAYS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle {p}": lambda b, p=p: pickle.loads(pickle.dumps(b, p)) for p in PROTOCOLS},
    **{
        f"python pickle {p}": lambda b, p=p: pickle._loads(pickle._dumps(b, p))  # type: ignore[attr-defined]
        for p in (0, 2, 5)
    },
}


@pytest.fixture(params=list(WAYS))
def twin_of(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    return WAYS[request.param]


@pytest.mark.parametrize("size", SIZES)
def test_contents(twin_of: Callable[[Any], Any], size: int) -> None:
    buffer = Buffer(pattern(size))
    twin = twin_of(buffer)
    assert type(twin) is Buffer
    assert twin is not buffer
    check(twin, pattern(size))
    check(buffer, pattern(size))
    assert buffer.exports == 0


def test_twins_are_independent(twin_of: Callable[[Any], Any]) -> None:
    buffer = Buffer(pattern(300))
    twin = twin_of(buffer)
    twin[0] ^= 1
    twin += b"more"
    check(buffer, pattern(300))
    buffer.clear()
    assert len(twin) == 304


def test_capacity_and_name_are_kept(twin_of: Callable[[Any], Any]) -> None:
    twin = twin_of(Buffer(b"abc", capacity=10_000, name="frames"))
    assert twin.capacity == 10_000
    assert twin.name == "frames"
    with pytest.raises(growable.CapacityError):
        twin += bytes(10_000)


def test_capacity_that_is_full(twin_of: Callable[[Any], Any]) -> None:
    twin = twin_of(Buffer(b"abc", capacity=3))
    check(twin, b"abc")
    assert twin.capacity == 3


def test_no_capacity_and_no_name_are_kept(twin_of: Callable[[Any], Any]) -> None:
    twin = twin_of(Buffer(b"abc"))
    assert twin.name is None
    twin += bytes(10_000)
    check(twin, b"abc" + bytes(10_000))


@pytest.mark.parametrize("setting", ["auto", False])
def test_huge_pages_are_kept(twin_of: Callable[[Any], Any], setting: Any) -> None:
    twin = twin_of(Buffer(b"abc", huge_pages=setting))
    assert twin.__reduce__()[1][3] == setting


def test_subclass_with_dict(twin_of: Callable[[Any], Any]) -> None:
    buffer = Dict(pattern(300), name="n")
    buffer.note = ["x"]  # type: ignore[attr-defined]
    twin = twin_of(buffer)
    assert type(twin) is Dict
    assert twin.note == ["x"]
    assert twin.name == "n"
    check(twin, pattern(300))


def test_subclass_with_slots(twin_of: Callable[[Any], Any]) -> None:
    buffer = Slots(b"abc")
    buffer.left = [1]  # type: ignore[attr-defined]
    twin = twin_of(buffer)
    assert type(twin) is Slots
    assert twin.left == [1]
    assert not hasattr(twin, "right")
    check(twin, b"abc")


def test_subclass_with_dict_and_slots(twin_of: Callable[[Any], Any]) -> None:
    buffer = Both(b"abc")
    buffer.left = 1  # type: ignore[attr-defined]
    buffer.extra = 2  # type: ignore[attr-defined]
    twin = twin_of(buffer)
    assert (twin.left, twin.extra) == (1, 2)


def test_getstate_and_setstate(twin_of: Callable[[Any], Any]) -> None:
    buffer = Stateful(b"abc")
    buffer.secret = [1, 2]
    twin = twin_of(buffer)
    assert twin.secret == [1, 2]
    check(twin, b"abc")


def test_init_is_not_called(twin_of: Callable[[Any], Any]) -> None:
    buffer = NeedsArguments(5, tag="t")
    twin = twin_of(buffer)
    assert type(twin) is NeedsArguments
    assert twin.tag == "t"
    check(twin, bytes(5))


def test_a_subclass_that_is_an_integer_too(twin_of: Callable[[Any], Any]) -> None:
    twin = twin_of(Index(b"contents"))
    assert memoryview(twin) == b"contents"  # bytes(twin) would ask for the integer


def test_setstate_that_raises(twin_of: Callable[[Any], Any]) -> None:
    buffer = Cautious(b"abc")
    with pytest.raises(KeyError):
        twin_of(buffer)
    check(buffer, b"abc")
    assert buffer.exports == 0


def test_an_exported_buffer(twin_of: Callable[[Any], Any]) -> None:
    buffer = Buffer(pattern(300))
    with memoryview(buffer):
        check(twin_of(buffer), pattern(300))
    assert buffer.exports == 0


def test_copy_shares_the_state_deepcopy_does_not() -> None:
    buffer = Dict(b"abc")
    buffer.note = ["x"]  # type: ignore[attr-defined]
    assert copy.copy(buffer).note is buffer.note  # type: ignore[attr-defined]
    assert copy.deepcopy(buffer).note is not buffer.note  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", [n for n in WAYS if n != "copy"])
def test_a_cycle_through_the_state(name: str) -> None:
    buffer = Dict(b"abc")
    buffer.me = [buffer]  # type: ignore[attr-defined]
    twin = WAYS[name](buffer)
    assert twin is not buffer
    assert twin.me[0] is twin


@pytest.mark.parametrize("name", [n for n in WAYS if n != "copy"])
def test_one_buffer_twice_stays_one(name: str) -> None:
    buffer = Buffer(b"abc")
    first, second = WAYS[name]([buffer, buffer])
    assert first is second


def test_deepcopy_with_a_memo() -> None:
    buffer = Buffer(b"abc")
    memo: dict[int, Any] = {}
    twin = copy.deepcopy(buffer, memo)
    assert memo[id(buffer)] is twin


def test_out_of_band_is_no_copy(make: Make) -> None:
    buffer = make(pattern(5000))
    outside: list[pickle.PickleBuffer] = []
    data = pickle.dumps(buffer, protocol=5, buffer_callback=outside.append)
    assert len(data) < 500
    with memoryview(outside[0]) as view:
        assert view.nbytes == 5000
        assert start_of(buffer) == _address(view)
    again = pickle.loads(data, buffers=outside)
    assert again is buffer


def _address(view: memoryview) -> int:
    import ctypes

    return ctypes.addressof(ctypes.c_char.from_buffer(view))


def test_out_of_band_into_other_memory(make: Make) -> None:
    buffer = make(pattern(5000))
    outside: list[pickle.PickleBuffer] = []
    data = pickle.dumps(buffer, protocol=5, buffer_callback=outside.append)
    for form in (bytes, bytearray, lambda p: memoryview(bytes(p))):
        twin = pickle.loads(data, buffers=[form(p) for p in outside])
        assert type(twin) is type(buffer)
        assert twin is not buffer
        check(twin, pattern(5000))


def test_out_of_band_into_a_buffer_of_another_type() -> None:
    outside: list[pickle.PickleBuffer] = []
    data = pickle.dumps(Dict(b"abc"), protocol=5, buffer_callback=outside.append)
    given = Buffer(b"xyz")
    twin = pickle.loads(data, buffers=[given])
    assert type(twin) is Dict
    check(twin, b"xyz")
    twin.append(1)
    check(given, b"xyz")


def test_out_of_band_into_part_of_a_buffer() -> None:
    """Only the whole of a Buffer stands for itself."""
    buffer = Buffer(b"contents")
    data = pickle.dumps(buffer, protocol=5, buffer_callback=lambda p: None)
    twin = pickle.loads(data, buffers=[memoryview(buffer)[:3]])
    assert twin is not buffer
    check(twin, b"con")


def test_out_of_band_keeps_options() -> None:
    buffer = Buffer(b"abc", capacity=5000, name="n")
    outside: list[pickle.PickleBuffer] = []
    data = pickle.dumps(buffer, protocol=5, buffer_callback=outside.append)
    twin = pickle.loads(data, buffers=[bytes(p) for p in outside])
    assert (twin.capacity, twin.name) == (5000, "n")


def test_out_of_band_lets_it_grow() -> None:
    """The pickled buffers are exports like others."""
    buffer = Buffer(b"abc")
    outside: list[pickle.PickleBuffer] = []
    pickle.dumps(buffer, protocol=5, buffer_callback=outside.append)
    buffer += bytes(100_000)
    with pytest.raises(BufferError):
        buffer.clear()
    outside[0].release()
    outside.clear()
    buffer.clear()


def test_callback_that_takes_it_in_band() -> None:
    buffer = Buffer(pattern(5000))
    data = pickle.dumps(buffer, protocol=5, buffer_callback=lambda p: True)
    check(pickle.loads(data), pattern(5000))


def test_callback_that_raises() -> None:
    buffer = Buffer(b"abc")

    def refuse(part: pickle.PickleBuffer) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        pickle.dumps(buffer, protocol=5, buffer_callback=refuse)
    assert buffer.exports == 0
    buffer.clear()


def test_missing_buffers() -> None:
    data = pickle.dumps(Buffer(b"abc"), protocol=5, buffer_callback=lambda p: None)
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads(data)
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads(data, buffers=[])


def test_exotic_buffers() -> None:
    """What is unpickled from may be of any shape; its bytes count."""
    import array

    data = pickle.dumps(Buffer(b"abc"), protocol=5, buffer_callback=lambda p: None)
    words = array.array("H", [1, 2])
    check(pickle.loads(data, buffers=[words]), words.tobytes())


def test_reduce_without_a_protocol() -> None:
    function, arguments, *rest = Buffer(b"abc").__reduce__()
    check(function(*arguments), b"abc")
    assert rest == [None]


@pytest.mark.parametrize("protocol", ["2", None, 2.0, 1 << 100])
def test_wrong_protocol(protocol: Any) -> None:
    with pytest.raises((TypeError, OverflowError)):
        Buffer(b"abc").__reduce_ex__(protocol)


def test_rebuild_refuses_other_types() -> None:
    function, arguments, _ = Buffer(b"abc").__reduce__()
    for wrong in (bytearray, int, 5):
        with pytest.raises(TypeError):
            function(wrong, *arguments[1:])
    with pytest.raises(TypeError):
        function(*arguments[:2])


def test_rebuild_refuses_wrong_options() -> None:
    function, (kind, payload, *_), _ = Buffer(b"abc").__reduce__()
    for capacity, huge, name in ((-1, "auto", None), (None, "no", None), (None, "auto", 5)):
        with pytest.raises((TypeError, ValueError)):
            function(kind, payload, capacity, huge, name)
    with pytest.raises(growable.CapacityError):
        function(kind, payload, 2, "auto", None)


def test_a_container_of_buffers() -> None:
    held = {"a": Buffer(b"abc"), "b": [Slots(b"def"), Dict(pattern(70_000))]}
    for protocol in PROTOCOLS:
        again = pickle.loads(pickle.dumps(held, protocol))
        assert again == held
        assert type(again["b"][0]) is Slots
