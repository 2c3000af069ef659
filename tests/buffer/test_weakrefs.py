"""Weak references to buffers."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import pytest
from growable import Buffer
from support import check, pattern

Make = Callable[..., Buffer]


def test_a_reference_gives_the_buffer(make: Make) -> None:
    buffer = make(b"abc")
    assert weakref.ref(buffer)() is buffer


def test_a_reference_dies_with_the_buffer(make: Make) -> None:
    buffer = make(b"abc")
    reference = weakref.ref(buffer)
    del buffer
    gc.collect()
    assert reference() is None


def test_one_reference_object_is_shared() -> None:
    buffer = Buffer(b"abc")
    reference = weakref.ref(buffer)
    assert weakref.ref(buffer) is reference
    assert weakref.getweakrefcount(buffer) == 1


def test_callbacks_run_once(make: Make) -> None:
    seen: list[object] = []
    buffer = make(b"abc")
    references = [weakref.ref(buffer, seen.append), weakref.ref(buffer, seen.append)]
    del buffer
    gc.collect()
    assert sorted(map(id, seen)) == sorted(map(id, references))


def test_a_callback_may_make_buffers() -> None:
    made: list[Buffer] = []
    buffer = Buffer(pattern(100_000))
    reference = weakref.ref(buffer, lambda _: made.append(Buffer(pattern(100_000, 1))))
    del buffer
    gc.collect()
    assert reference() is None
    check(made[0], pattern(100_000, 1))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_callback_that_raises_does_no_harm() -> None:
    def refuse(reference: object) -> None:
        raise KeyError

    buffer = Buffer(pattern(100_000))
    reference = weakref.ref(buffer, refuse)
    del buffer
    gc.collect()
    assert reference() is None


def test_a_proxy() -> None:
    buffer = Buffer(b"abc")
    proxy = weakref.proxy(buffer)
    proxy.append(ord("d"))
    assert len(proxy) == 4
    check(buffer, b"abcd")
    del buffer
    gc.collect()
    with pytest.raises(ReferenceError):
        proxy.append(1)


def test_release_does_not_end_the_reference() -> None:
    buffer = Buffer(b"abc")
    reference = weakref.ref(buffer)
    buffer.release()
    assert reference() is buffer


def test_a_view_keeps_the_reference_alive() -> None:
    buffer = Buffer(b"abc")
    reference = weakref.ref(buffer)
    view = memoryview(buffer)
    del buffer
    gc.collect()
    assert reference() is view.obj
    view.release()
    del view
    gc.collect()
    assert reference() is None


def test_a_lent_tail_keeps_the_reference_alive() -> None:
    buffer = Buffer(b"abc")
    reference = weakref.ref(buffer)
    tail = buffer.spare(10)
    del buffer
    gc.collect()
    assert reference() is not None
    tail.release()
    gc.collect()
    assert reference() is None


def test_finalize() -> None:
    seen: list[int] = []
    buffer = Buffer(b"abc")
    weakref.finalize(buffer, seen.append, 1)
    del buffer
    gc.collect()
    assert seen == [1]


def test_values_of_a_weak_dictionary() -> None:
    table: weakref.WeakValueDictionary[str, Buffer] = weakref.WeakValueDictionary()
    buffer = Buffer(b"abc")
    table["x"] = buffer
    assert table["x"] is buffer
    del buffer
    gc.collect()
    assert "x" not in table


def test_keys_of_a_weak_dictionary_must_be_hashable() -> None:
    """A bytearray has no hash, so neither has a Buffer."""
    with pytest.raises(TypeError, match="unhashable"):
        hash(Buffer(b"abc"))
    with pytest.raises(TypeError, match="unhashable"):
        hash(weakref.ref(Buffer(b"abc")) and Buffer(b"abc"))
