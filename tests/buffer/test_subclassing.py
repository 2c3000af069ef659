"""Python subclasses: slots, attributes, overridden methods, several bases."""

from __future__ import annotations

import abc
import gc
import sys
import weakref
from collections.abc import Callable
from typing import Any

import growable
import pytest
from growable import Buffer
from support import SubBuffer, check, pattern, run_child

Make = Callable[..., Buffer]


def test_instances_have_a_dict() -> None:
    buffer = SubBuffer(b"abc")
    buffer.note = 5  # type: ignore[attr-defined]
    assert buffer.__dict__ == {"note": 5}


def test_exact_buffers_have_none() -> None:
    buffer = Buffer(b"abc")
    with pytest.raises(AttributeError):
        buffer.note = 5  # type: ignore[attr-defined]
    assert not hasattr(buffer, "__dict__")


def test_slots() -> None:
    class Slotted(Buffer):
        __slots__ = ("left",)

    buffer = Slotted(b"abc")
    with pytest.raises(AttributeError):
        buffer.left  # type: ignore[attr-defined]
    buffer.left = [1]  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        buffer.right = 1  # type: ignore[attr-defined]
    check(buffer, b"abc")


def test_empty_slots() -> None:
    class Slotted(Buffer):
        __slots__ = ()

    buffer = Slotted(pattern(5000))
    assert not hasattr(buffer, "__dict__")
    buffer += b"x"
    check(buffer, pattern(5000) + b"x")


def test_class_can_be_changed_to_one_of_the_same_layout() -> None:
    class Slotted(Buffer):
        __slots__ = ()

    buffer = Buffer(pattern(5000))
    try:
        buffer.__class__ = Slotted
    except TypeError:
        return
    buffer += b"x"
    check(buffer, pattern(5000) + b"x")
    buffer.__class__ = Buffer
    del buffer


def test_class_cannot_be_changed_to_another_layout() -> None:
    buffer = Buffer(b"abc")
    with pytest.raises(TypeError):
        buffer.__class__ = SubBuffer
    with pytest.raises(TypeError):
        buffer.__class__ = bytearray  # type: ignore[assignment]
    with pytest.raises(TypeError):
        bytearray(b"abc").__class__ = Buffer  # type: ignore[assignment]


def test_init_with_other_arguments() -> None:
    class Sized(Buffer):
        def __init__(self, count: int, item: int = 0, **options: Any) -> None:
            super().__init__(bytes([item]) * count, **options)

    buffer = Sized(5, item=7, capacity=100)
    check(buffer, b"\x07" * 5)
    assert buffer.capacity == 100


def test_init_that_does_not_call_ours() -> None:
    class Lazy(Buffer):
        def __init__(self, *args: Any) -> None:
            pass

    buffer = Lazy(b"ignored")
    check(buffer, b"")
    buffer += b"abc"
    check(buffer, b"abc")


def test_new_with_other_arguments() -> None:
    class Made(Buffer):
        def __new__(cls, *args: Any) -> Made:
            self = super().__new__(cls, *args)
            self.args = args  # type: ignore[attr-defined]
            return self

    buffer = Made(b"abc")
    assert buffer.args == (b"abc",)  # type: ignore[attr-defined]
    check(buffer, b"abc")


class Late(Buffer):
    """Has contents before its options are given."""

    def __init__(self, first: bytes, *args: Any, hold: bool = False, **options: Any) -> None:
        self += first
        self.held = memoryview(self) if hold else None
        super().__init__(*args, **options)


def test_options_after_contents() -> None:
    """Options come with the storage, so either they are refused or they hold."""
    try:
        buffer = Late(pattern(1000), b"abc", capacity=5000, name="n")
    except (TypeError, growable.GrowableError):
        return
    check(buffer, b"abc")
    assert buffer.capacity == 5000


@pytest.mark.parametrize("capacity", [10, 999, 1000, 1001, 5000, 1 << 20, 1 << 37])
@pytest.mark.parametrize("source", ["itself", "empty", "longer"])
@pytest.mark.parametrize("hold", [False, True])
def test_a_capacity_after_contents(capacity: int, source: str, *, hold: bool) -> None:
    """Whether it is refused or not, the contents are whole and what is exported does not move."""
    buffer = Late.__new__(Late)
    given: Any = {"itself": buffer, "empty": b"", "longer": bytes(5000)}[source]
    try:
        Late.__init__(buffer, pattern(1000), given, hold=hold, capacity=capacity)
    except (TypeError, BufferError, growable.GrowableError):
        check(buffer, pattern(1000))
    if buffer.held is not None:
        assert buffer.held.tobytes() == pattern(1000)
        buffer.held.release()
    assert len(buffer) <= buffer.committed <= buffer.capacity
    try:
        for _ in range(10_000):
            buffer.append(1)
    except growable.CapacityError:
        pass
    assert len(buffer) <= buffer.committed <= buffer.capacity


@pytest.mark.parametrize("what", ["append", "export", "release", "freeze", "init", "address"])
@pytest.mark.parametrize("option", ["capacity", "huge_pages", "name"])
def test_an_option_that_uses_the_buffer(what: str, option: str) -> None:
    """An option's own code sees the half-made buffer."""
    held: list[memoryview] = []
    use: dict[str, Callable[[Buffer], object]] = {
        "append": lambda b: b.extend(pattern(1000)),
        "export": lambda b: (b.extend(b"abc"), held.append(memoryview(b))),
        "release": lambda b: b.release(),
        "freeze": lambda b: (b.extend(b"abc"), b.freeze()),
        "init": lambda b: b.__init__(pattern(1000), capacity=3000, name="x"),  # type: ignore[misc]
        "address": lambda b: (b.extend(b"abc"), b.address),
    }
    buffer = Buffer.__new__(Buffer)

    class Sly:
        def __index__(self) -> int:
            use[what](buffer)
            return 100

        def __repr__(self) -> str:
            use[what](buffer)
            return "sly"

    try:
        buffer.__init__(b"", **{option: Sly()})  # type: ignore[misc]
    except (TypeError, ValueError, BufferError, MemoryError):
        pass
    for view in held:
        assert view.tobytes() == b"abc"
        view.release()
    try:
        for _ in range(5000):
            buffer.append(1)
    except (growable.StateError, growable.CapacityError):
        pass
    if "released" not in repr(buffer):
        assert len(buffer) <= buffer.committed <= buffer.capacity


def test_overridden_methods_are_used_by_python_only() -> None:
    class Loud(Buffer):
        def append(self, item: Any, /) -> None:
            super().append(item + 1)

        def __len__(self) -> int:
            return 99

        def __getitem__(self, index: Any) -> Any:
            return "item"

    buffer = Loud(b"abc")
    buffer.append(1)
    assert len(buffer) == 99
    assert buffer[0] == "item"
    assert bytes(memoryview(buffer)) == b"abc\x02"
    buffer += b"x"
    assert bytes(memoryview(buffer)) == b"abc\x02x"


def test_results_of_base_methods_are_bytearrays(make: Make) -> None:
    buffer = make(b"abc def")
    results: list[Any] = [
        buffer.upper(),
        buffer[1:3],
        buffer + b"x",
        buffer * 2,
        buffer.copy(),
        buffer.split()[0],
        buffer.partition(b" ")[2],
        buffer.replace(b"a", b"b"),
        buffer.ljust(20),
    ]
    assert {type(result) for result in results} == {bytearray}


def test_several_bases() -> None:
    class Mixin:
        def shout(self) -> bytes:
            return bytes(self).upper()  # type: ignore[call-overload]

    class Mixed(Mixin, Buffer):
        pass

    assert Mixed(b"abc").shout() == b"ABC"


def test_an_abstract_base() -> None:
    class Base(abc.ABC):
        @abc.abstractmethod
        def need(self) -> None: ...

    class Concrete(Buffer, Base):
        def need(self) -> None: ...

    check(Concrete(b"abc"), b"abc")


def test_a_base_of_another_layout_is_refused() -> None:
    with pytest.raises(TypeError, match="lay-out"):
        type("Wrong", (Buffer, int), {})


def test_bytearray_beside_is_allowed() -> None:
    class Both(SubBuffer, bytearray):
        pass

    check(Both(b"abc"), b"abc")


def test_init_subclass_and_class_getitem() -> None:
    seen: list[type] = []

    class Base(Buffer):
        def __init_subclass__(cls, **kwargs: Any) -> None:
            seen.append(cls)

    class Child(Base, note=1):  # type: ignore[call-arg]
        pass

    assert seen == [Child]


def test_a_finalizer_sees_the_contents() -> None:
    seen: list[bytes] = []

    class Last(Buffer):
        def __del__(self) -> None:
            seen.append(bytes(self))
            self += b"more"

    buffer = Last(pattern(5000))
    del buffer
    gc.collect()
    assert seen == [pattern(5000)]


def test_a_finalizer_may_bring_it_back() -> None:
    kept: list[Buffer] = []

    class Phoenix(Buffer):
        def __del__(self) -> None:
            kept.append(self)

    buffer = Phoenix(pattern(5000))
    memoryview(buffer).release()
    del buffer
    gc.collect()
    check(kept[0], pattern(5000))
    kept[0].append(1)
    kept.clear()


def test_a_cycle_is_collected() -> None:
    class Node(Buffer):
        pass

    node = Node(bytes(100_000))
    node.me = node  # type: ignore[attr-defined]
    watch = weakref.ref(node)
    del node
    gc.collect()
    assert watch() is None


def test_a_view_in_its_own_dict_is_collected() -> None:
    class Node(Buffer):
        pass

    node = Node(bytes(100_000))
    node.view = memoryview(node)  # type: ignore[attr-defined]
    watch = weakref.ref(node)
    del node
    gc.collect()
    assert watch() is None


@pytest.mark.parametrize("size", [3, 1000, 100_000])
@pytest.mark.parametrize("view", ["", "node.view = memoryview(node)"])
def test_a_cycle_at_the_end_of_the_program(size: int, view: str) -> None:
    """The collector takes the module, the type and the last buffers apart in any order."""
    run_child(
        f"""
        from growable import Buffer
        class Node(Buffer):
            pass
        node = Node(bytes({size}))
        node.me = node
        {view}
        """
    )


def test_a_cycle_that_outlives_the_module() -> None:
    run_child(
        """
        import gc, sys
        from growable import Buffer
        class Node(Buffer):
            pass
        node = Node(bytes(100_000))
        node.me = node
        for name in [n for n in sys.modules if n.split(".")[0] == "growable"]:
            del sys.modules[name]
        del Buffer, Node, node
        gc.collect()
        """
    )


def test_a_module_imported_anew_is_another() -> None:
    run_child(
        """
        import gc, sys
        from growable import Buffer as First
        first = First(b"abc" * 10_000)
        content = bytes(first)
        for name in [n for n in sys.modules if n.split(".")[0] == "growable"]:
            del sys.modules[name]
        gc.collect()
        from growable import Buffer as Second
        assert First is not Second
        second = Second(first)
        second += first
        assert second == content * 2
        first += second
        first[:3] = second
        assert first == content * 2 + content[3:] + content * 2
        view = memoryview(second)
        del Second, First
        gc.collect()
        del first
        gc.collect()
        second += b"x"
        assert view[:3] == b"abc"
        """
    )


def test_many_classes_come_and_go() -> None:
    def once() -> None:
        kind = type("Temporary", (Buffer,), {"__slots__": ()})
        kind(b"abc").append(1)

    for _ in range(20):
        once()
    gc.collect()
    before = sys.getrefcount(Buffer)
    for _ in range(50):
        once()
    gc.collect()
    assert sys.getrefcount(Buffer) <= before + 2


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ is new in Python 3.12")
def test_an_overridden_buffer_method() -> None:
    class Shown(Buffer):
        taken = 0

        def __buffer__(self, flags: int) -> memoryview:
            type(self).taken += 1
            return super().__buffer__(flags)  # type: ignore[misc]

    buffer = Shown(pattern(1000))
    with memoryview(buffer) as view:
        assert Shown.taken == 1
        buffer += b"more"
        assert view.tobytes() == pattern(1000)
        with pytest.raises(BufferError):
            buffer.pop()
    gc.collect()
    assert buffer.exports == 0
    with buffer.spare(10) as tail:
        tail[:] = b"0123456789"
        buffer.advance(10)
    gc.collect()
    assert buffer.exports == 0
    assert bytes(buffer) == pattern(1000) + b"more0123456789"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ is new in Python 3.12")
def test_an_overridden_release_method() -> None:
    class Shown(Buffer):
        released = 0

        def __release_buffer__(self, view: memoryview) -> None:
            type(self).released += 1
            super().__release_buffer__(view)  # type: ignore[misc]

    buffer = Shown(pattern(1000))
    memoryview(buffer).release()
    assert Shown.released == 1
    buffer.spare(10).release()
    assert Shown.released == 2
    assert buffer.exports == 0
    buffer.clear()
