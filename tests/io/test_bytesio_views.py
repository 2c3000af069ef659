"""Views from getbuffer(): they stay valid, at the same address, while the file grows."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import sys
import weakref

import growable
import pytest
from growable import Buffer, BytesIO
from support import address_of, blocks_kept_by, pattern, run_child

MESSAGE = "Existing exports of data: object cannot be re-sized"


class Sub(BytesIO):
    extra = 0


@pytest.fixture(params=[BytesIO, Sub], ids=["exact", "subclass"])
def kind(request: pytest.FixtureRequest) -> type[BytesIO]:
    chosen: type[BytesIO] = request.param
    return chosen


def test_writing_under_a_view(kind: type[BytesIO]) -> None:
    f = kind(b"0123456789")
    view = f.getbuffer()
    where = address_of(view)
    f.seek(0, 2)
    for _ in range(1000):
        f.write(b"x" * 10_000)
    assert bytes(view) == b"0123456789"
    with f.getbuffer() as later:
        assert address_of(later) == where
        assert len(later) == 10_000_010
    f.seek(2)
    f.write(b"AB")
    assert bytes(view) == b"01AB456789"
    view[0] = ord("Z")
    f.seek(0)
    assert f.read(4) == b"Z1AB"


def test_what_removes_bytes_is_refused(kind: type[BytesIO]) -> None:
    f = kind(b"0123456789")
    view = f.getbuffer()
    for call in (
        lambda: f.truncate(3),
        f.close,
        lambda: f.__init__(b"new"),  # type: ignore[misc]
        lambda: f.__setstate__((b"new", 0, None)),
    ):
        with pytest.raises(BufferError, match=MESSAGE):
            call()
    assert (f.getvalue(), f.tell(), f.closed) == (b"0123456789", 0, False)
    assert f.truncate(10) == 10
    assert f.truncate(100) == 100  # removes nothing
    view.release()
    assert f.truncate(3) == 3
    assert f.getvalue() == b"012"
    f.close()
    assert f.closed


def test_a_gap_is_zero(kind: type[BytesIO]) -> None:
    f = kind(b"abc")
    with f.getbuffer() as view:
        f.seek(0, 2)
        f.write(b"old contents")
        del view
    f.truncate(3)
    f.getbuffer().release()
    f.seek(10)
    f.write(b"end")
    assert f.getvalue() == b"abc" + bytes(7) + b"end"


def test_writing_a_view_of_itself(kind: type[BytesIO]) -> None:
    f = kind(b"0123456789")
    with f.getbuffer() as view:
        f.seek(5)
        assert f.write(view) == 10
        assert f.getvalue() == b"012340123456789"
        f.seek(0)
        assert f.readinto(view[2:4]) == 2
        assert f.getvalue() == b"010140123456789"


def test_the_view_outlives_the_file(kind: type[BytesIO]) -> None:
    f = kind(b"0123456789")
    view = f.getbuffer()
    gone = weakref.ref(f)
    del f
    gc.collect()
    assert gone() is None
    assert bytes(view) == b"0123456789"


def test_a_subclass_is_closed_by_its_own_close() -> None:
    seen = []

    class Closing(BytesIO):
        def close(self) -> None:
            if not self.closed:
                seen.append(self.getvalue())
            super().close()

    f = Closing(b"contents")
    view = f.getbuffer()
    del f
    gc.collect()
    assert seen == [b"contents"]
    assert bytes(view) == b"contents"


def test_the_obj_of_a_view_is_the_buffer() -> None:
    f = BytesIO(b"abc")
    with f.getbuffer() as view:
        buffer = view.obj
        assert type(buffer) is Buffer
        buffer += b"def"
        assert f.getvalue() == b"abcdef"
        f.seek(0, 2)
        f.write(b"ghi")
        assert buffer == b"abcdefghi"
    assert f.getvalue() == b"abcdefghi"
    buffer.clear()
    assert f.read() == f.getvalue() == b""
    f.seek(0)
    f.write(b"1234")
    assert buffer == b"1234"


@pytest.mark.parametrize("pos", [4, 6, 20])
def test_writing_what_stands_in_a_lent_tail(pos: int) -> None:
    f = BytesIO(b"head")
    buffer = f.getbuffer().obj
    assert isinstance(buffer, Buffer)
    with buffer.spare(16) as tail:
        tail[:] = b"0123456789abcdef"
        f.seek(pos)
        f.write(tail[2:7])
    assert f.getvalue() == b"head".ljust(pos, b"\0") + b"23456"


def test_a_callback_that_fills_the_file_again() -> None:
    f = BytesIO(b"abc")
    buffer = f.getbuffer().obj
    gone = weakref.ref(buffer, lambda _: (f.__init__(b"meanwhile"), f.getbuffer()))  # type: ignore[misc]
    del buffer
    f.__init__(b"new contents")  # type: ignore[misc]
    assert gone() is None
    assert f.getvalue() == bytes(f.getbuffer()) == b"meanwhile"


def test_a_frozen_or_released_buffer() -> None:
    f = BytesIO(b"abc")
    with f.getbuffer() as view:
        buffer = view.obj
    assert isinstance(buffer, Buffer)
    buffer.freeze()
    assert f.read() == b"abc"
    for pos in (0, 3):
        f.seek(pos)
        with pytest.raises(growable.StateError):
            f.write(b"x")
    with pytest.raises(growable.StateError):
        f.truncate(1)
    buffer.release()
    for call in (f.read, f.getvalue, f.getbuffer, f.readline, f.readlines, f.truncate):
        with pytest.raises(growable.StateError):
            call()
    f.close()


def test_bytes_are_not_copied() -> None:
    content = pattern(100_000)
    f = BytesIO(content)
    assert f.getvalue() is content
    assert f.read() is content
    f.seek(0)
    f.write(b"!")
    assert content == pattern(100_000)
    value = f.getvalue()
    assert value is f.getvalue()
    assert value[:1] == b"!"
    f.getbuffer().release()
    value = f.getvalue()
    assert value is f.getvalue()  # contents are bytes again
    with f.getbuffer():
        assert f.getvalue() == value
        assert f.getvalue() is not f.getvalue()


def test_a_value_never_changes() -> None:
    f = BytesIO()
    f.write(b"x" * 100)
    first = f.getvalue()
    f.seek(0)
    f.write(b"y" * 50)
    second = f.getvalue()
    f.write(b"z" * 100)
    assert (first, second) == (b"x" * 100, b"y" * 50 + b"x" * 50)


def test_the_hash_of_a_value_is_its_own() -> None:
    f = BytesIO()
    f.write(b"x" * 100)
    hash(f.getvalue())
    f.seek(0)
    f.write(b"y")
    assert hash(f.getvalue()) == hash(b"y" + b"x" * 99)


def test_copies_and_pickles(kind: type[BytesIO]) -> None:
    f = kind(b"contents")
    f.seek(3)
    f.note = ["x"]  # type: ignore[attr-defined]
    view = f.getbuffer()
    made = [copy.copy(f), copy.deepcopy(f)]
    made += [pickle.loads(pickle.dumps(f, p)) for p in range(2, pickle.HIGHEST_PROTOCOL + 1)]
    for other in made:
        assert type(other) is kind
        assert (other.getvalue(), other.tell(), other.note) == (b"contents", 3, ["x"])
        other.seek(0, 2)
        other.write(b"!")
    assert f.getvalue() == b"contents"
    for protocol in (0, 1):
        with pytest.raises(TypeError):
            pickle.dumps(f, protocol)
    view.release()


def test_an_unpickled_state_does_not_share_its_dict() -> None:
    f, names = BytesIO(), {"a": 1}
    f.__setstate__((b"x", 0, names))
    f.b = 2  # type: ignore[attr-defined]
    assert names == {"a": 1}


def test_closed_files_open_again_as_in_io() -> None:
    for made in (BytesIO, io.BytesIO):
        f = made(b"x")
        f.close()
        f.__init__()  # type: ignore[misc]
        assert f.closed
        with pytest.raises(ValueError, match="closed"):
            f.__init__(bytearray(b"y"))  # type: ignore[misc]
        f.__init__(b"z")  # type: ignore[misc]
        assert f.getvalue() == b"z"


def test_cycles_are_collected(kind: type[BytesIO]) -> None:
    f = kind(b"x" * 100_000)
    f.me, f.view = f, f.getbuffer()  # type: ignore[attr-defined]
    gone = weakref.ref(f)
    del f
    gc.collect()
    assert gone() is None


def test_a_finalizer_in_readlines() -> None:
    """Making the list longer may run the collector, and that anything at all."""

    class Trap:
        def __del__(self) -> None:
            if not f.closed:
                f.getbuffer().release()
                f.truncate(4)

    f = BytesIO(b"a\n" * 10_000)
    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        trap = Trap()
        trap.me = trap  # type: ignore[attr-defined]
        del trap
        lines = f.readlines()
    finally:
        gc.set_threshold(*before)
    assert all(line == b"a\n" for line in lines)


def test_a_source_that_closes_the_file() -> None:
    if sys.version_info < (3, 12):
        pytest.skip("no __buffer__ before 3.12")

    class Trap:
        def __buffer__(self, flags: int) -> memoryview:
            f.close()
            return memoryview(b"abc")

    f = BytesIO(b"contents")
    with pytest.raises(ValueError, match="closed"):
        f.write(Trap())


def test_sizeof(kind: type[BytesIO]) -> None:
    empty = sys.getsizeof(kind())
    content = pattern(10_000)
    f = kind(content)
    assert sys.getsizeof(f) == empty  # the bytes are somebody else's as well
    f.write(b"x")
    assert 10_000 <= sys.getsizeof(f) - empty < 20_000
    f.getbuffer().release()
    assert sys.getsizeof(f) - empty >= 10_000


def test_nothing_leaks(kind: type[BytesIO]) -> None:
    def use() -> None:
        f = kind(b"abc" * 100)
        f.write(b"x" * 100)
        f.getvalue()
        f.name = "x"  # type: ignore[attr-defined]
        with f.getbuffer() as view:
            f.seek(0, 2)
            f.write(view)
        f.seek(0)
        f.readline()
        f.readlines()
        copy.copy(f).close()
        with pytest.raises(ValueError, match="negative"):
            f.seek(-1)

    assert blocks_kept_by(use) < 0.5


def test_no_memory_changes_nothing() -> None:
    pytest.importorskip("_testcapi")
    run_child(
        """
        import _testcapi
        from growable import BytesIO

        for build in (BytesIO, lambda content: (f := BytesIO(content), f.getbuffer().release())[0]):
            for operation in (
                lambda f: f.write(b"y" * 1000), lambda f: f.write(b"y" * 100_000),
                lambda f: f.truncate(10), lambda f: f.getvalue(), lambda f: f.getbuffer().release(),
                lambda f: f.read(), lambda f: f.readlines(), lambda f: f.__setstate__((bytearray(9), 0, None)),
            ):
                for nth in range(8):
                    f = build(b"x" * 5000)
                    f.seek(5)
                    failed = False
                    _testcapi.set_nomemory(nth, nth + 1)
                    try:
                        operation(f)
                    except MemoryError:
                        failed = True
                    finally:
                        _testcapi.remove_mem_hooks()
                    if failed:
                        assert f.getvalue() == b"x" * 5000, (operation, nth)
                        assert f.tell() == 5, (operation, nth)
        """
    )


def test_in_a_subinterpreter() -> None:
    interpreters = pytest.importorskip("_testcapi")
    code = (
        "from growable import BytesIO; f = BytesIO(b'x'); v = f.getbuffer(); f.write(bytes(9999))"
    )
    assert interpreters.run_in_subinterp(code) == 0


ISOLATED = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

WORK = '''
import io
from growable import BytesIO
class Sub(BytesIO): pass
for kind in (BytesIO, Sub):
    f = kind(b"abc")
    view = f.getbuffer()
    f.seek(0, 2)
    f.write(bytes(100_000))
    assert len(f.getvalue()) == 100_003 and view == b"abc"
    assert isinstance(f, io.BytesIO)
    f.me = f  # left to the end of the interpreter
'''
for _ in range(3):
    try:
        interpreter = interpreters.create("isolated")
    except TypeError:
        interpreter = interpreters.create(isolated=True)
    code = "import sys; sys.path[:0] = " + repr(sys.path) + chr(10) + WORK
    problem = interpreters.run_string(interpreter, code)
    assert problem is None, problem
    interpreters.destroy(interpreter)
exec(WORK)
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="new in Python 3.12")
def test_in_an_interpreter_with_a_lock_of_its_own() -> None:
    run_child(ISOLATED)


def test_made_by_a_finalizer_after_the_type_was_cleared() -> None:
    run_child(
        """
        import gc, sys
        import growable
        gc.disable()

        class Last(tuple):
            pass

        def finalize(last):
            for make in last[:2]:
                try:
                    made = make(b"abc")
                    made.getbuffer().release()
                    made.write(b"x" * 10_000)
                    made.getvalue()
                except Exception:
                    pass
            for f in last[2:]:
                try:
                    f.read()
                    f.getbuffer()
                    f.close()
                except Exception:
                    pass
            seen.append(last)

        class First:
            def __del__(self):
                Last.__del__ = finalize  # too late for the collector to call it first

        class Sub(growable.BytesIO):
            pass

        seen = []
        cycle = [Last((growable.BytesIO, Sub, growable.BytesIO(b"x" * 100), Sub(b"y" * 100)))]
        cycle.append(cycle)
        first = First()
        first.me = first
        del first, cycle, Sub, growable
        for name in [name for name in sys.modules if name.startswith("growable")]:
            del sys.modules[name]
        gc.collect()
        assert seen
        del seen[:]
        gc.collect()
        """
    )
