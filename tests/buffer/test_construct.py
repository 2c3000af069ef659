"""Making a Buffer: what bytearray takes, and the options of its own."""

from __future__ import annotations

import array
import inspect
from typing import Any

import growable
import pytest
from growable import Buffer
from support import check, pattern, run_child, shown

SOURCES: list[tuple[Any, ...]] = [
    (),
    (b"abc",),
    (bytearray(b"abc"),),
    (memoryview(b"abcdef")[::2],),
    (array.array("H", [1, 2, 3]),),
    ([1, 2, 3],),
    ((255,),),
    (iter(b"xyz"),),
    (range(10),),
    (0,),
    (5,),
    (5000,),
    (True,),
    ("grün", "utf-8"),
    ("grün", "ascii", "replace"),
]

WRONG: list[tuple[Any, ...]] = [
    (-1,),
    (256.5,),
    ("text",),
    (b"a", "utf-8"),
    ([256],),
    ([-1],),
    (["a"],),
    (None,),
    (object(),),
    ("grün", "ascii"),
    ("a", "no-such-codec"),
    ("a", 5),
    (1 << 70,),
    (b"", "utf-8", "strict", 1),
    ([1, 2, None],),
]


def again(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return arguments that may be consumed a second time."""
    return tuple(
        list(a) if inspect.isgenerator(a) or hasattr(a, "__next__") else a for a in arguments
    )


@pytest.mark.parametrize("arguments", SOURCES, ids=shown)
def test_contents_are_bytearrays(kind: type[Buffer], arguments: tuple[Any, ...]) -> None:
    arguments = again(arguments)
    expected = bytearray(*arguments)
    check(kind(*arguments), expected)


@pytest.mark.parametrize("arguments", WRONG, ids=shown)
def test_errors_are_bytearrays(kind: type[Buffer], arguments: tuple[Any, ...]) -> None:
    with pytest.raises(Exception) as expected:  # noqa: PT011
        bytearray(*arguments)
    with pytest.raises(expected.type) as got:
        kind(*arguments)
    assert type(got.value) is expected.type
    if not isinstance(got.value, TypeError | LookupError):
        assert str(got.value) == str(expected.value)


def test_source_by_keyword(kind: type[Buffer]) -> None:
    check(kind(source="ä", encoding="latin-1", errors="strict"), b"\xe4")


def test_options_are_keyword_only() -> None:
    with pytest.raises(TypeError):
        Buffer(b"", None, None, 10)  # type: ignore[misc]


def test_unknown_keyword_is_refused() -> None:
    with pytest.raises(TypeError):
        Buffer(capacities=5)  # type: ignore[call-arg]


def test_is_a_bytearray() -> None:
    assert isinstance(Buffer(), bytearray)
    assert issubclass(Buffer, bytearray)
    assert Buffer is growable._core.Buffer


def test_name_is_kept(kind: type[Buffer]) -> None:
    assert kind(name="frames").name == "frames"
    assert kind().name is None


@pytest.mark.parametrize("name", [5, b"x", object()])
def test_name_must_be_text(name: Any) -> None:
    with pytest.raises(TypeError):
        Buffer(name=name)


@pytest.mark.parametrize("setting", ["auto", True, False])
def test_huge_pages_takes_three_values(setting: Any) -> None:
    try:
        buffer = Buffer(b"x" * 5_000_000, huge_pages=setting)
    except growable.UnsupportedError:
        assert setting is True
        return
    check(buffer, b"x" * 5_000_000)


@pytest.mark.parametrize("setting", ["yes", 1.5, "", b"auto"])
def test_huge_pages_refuses_others(setting: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        Buffer(huge_pages=setting)


def test_init_again_replaces_the_contents(kind: type[Buffer]) -> None:
    buffer = kind(b"first")
    buffer.__init__(b"other contents")  # type: ignore[misc]
    check(buffer, b"other contents")


def test_init_again_keeps_the_name() -> None:
    buffer = Buffer(b"first", name="n")
    buffer.__init__(b"second")  # type: ignore[misc]
    assert buffer.name == "n"


def test_init_again_without_arguments_empties() -> None:
    buffer = Buffer(b"first")
    buffer.__init__()  # type: ignore[misc]
    check(buffer, b"")


def test_init_that_fails_changes_nothing() -> None:
    buffer = Buffer(b"first")
    with pytest.raises(ValueError, match="range"):
        buffer.__init__([1, 2, 300])  # type: ignore[misc]
    check(buffer, b"first")


def test_init_with_itself_keeps_the_contents() -> None:
    buffer = Buffer(pattern(300))
    buffer.__init__(buffer)  # type: ignore[misc]
    check(buffer, pattern(300))


def test_new_without_init_is_empty(kind: type[Buffer]) -> None:
    buffer = kind.__new__(kind)
    check(buffer, b"")
    buffer.append(1)
    check(buffer, b"\x01")


def test_fromhex_makes_the_type(kind: type[Buffer]) -> None:
    buffer = kind.fromhex("00 ff 10")
    assert type(buffer) is kind
    check(buffer, b"\x00\xff\x10")


def test_large_zeroed_buffer_costs_nothing() -> None:
    run_child(
        """
        import resource, growable
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        buffer = growable.Buffer(1 << 33)
        assert len(buffer) == 1 << 33
        assert buffer[0] == buffer[-1] == buffer[1 << 32] == 0
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert after - before < 16 * 1024, (before, after)
        """
    )


def test_signature_can_be_read() -> None:
    names = list(inspect.signature(Buffer).parameters)
    assert names == ["source", "encoding", "errors", "capacity", "huge_pages", "name"]


def test_has_a_docstring() -> None:
    assert Buffer.__doc__


def test_failing_init_leaves_no_options_behind() -> None:
    buffer = Buffer.__new__(Buffer)
    for options in ({"capacity": 2}, {"capacity": 1 << 60, "huge_pages": False}):
        with pytest.raises(MemoryError):
            buffer.__init__(b"abc", name="first", **options)  # type: ignore[misc]
        assert buffer.name is None
        assert len(buffer) == 0
    buffer.__init__(b"abc", capacity=100, name="second")  # type: ignore[misc]
    assert (buffer.capacity, buffer.name) == (100, "second")
    check(buffer, b"abc")


def test_name_keeps_no_other_object_alive() -> None:
    class Name(str):
        owner: Buffer

    name = Name("a name")
    name.owner = Buffer(name=name)
    assert type(name.owner.name) is str
    assert name.owner.name == name


def test_keywords_that_vanish_meanwhile() -> None:
    run_child(
        """
        import _thread, threading
        from growable import Buffer

        class Sub(Buffer):
            pass

        class Index:
            def __index__(self):
                keywords.clear()
                done.set()
                return 100

        done = threading.Event()
        keywords = {"capacity": Index(), "source": [1] * int("60"), "name": "n" * int("60")}
        _thread.start_new_thread(Sub, (), keywords)
        assert done.wait(10)
        """
    )


def test_made_by_a_finalizer_after_the_type_was_cleared() -> None:
    run_child(
        """
        import gc, sys
        import growable
        gc.disable()

        class Last(tuple):
            pass

        def finalize(last):
            buffer, sub, find = last
            for make in (buffer, sub):
                try:
                    made = make(b"abc")
                    made.spare(3)
                    made.release()
                    len(made)
                except Exception:
                    pass
            assert find(bytearray(b"abc"), b"b") == 1
            seen.append(last)

        class First:
            def __del__(self):
                Last.__del__ = finalize  # too late for the collector to call it first

        class Sub(growable.Buffer):
            pass

        seen = []
        cycle = [Last((growable.Buffer, Sub, growable.Buffer.__dict__["find"]))]
        cycle.append(cycle)
        first = First()
        first.me = first
        del first, cycle, Sub, growable
        for name in [name for name in sys.modules if name.startswith("growable")]:
            del sys.modules[name]
        gc.collect()
        assert seen
        """
    )
