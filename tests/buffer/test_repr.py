"""The text form: bytearray's with our name, shortened where the contents are long."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from growable import Buffer
from support import SubBuffer, pattern, run_child

Make = Callable[..., Buffer]

CONTENTS = [
    b"",
    b"abc",
    b"it's",
    b'say "hi"',
    b'it\'s "both"',
    b"\x00\x01\xff\n\t\r\\",
    bytes(range(256)),
    b"'" * 256,
]


@pytest.mark.parametrize("content", CONTENTS)
def test_short_contents_as_bytearrays(make: Make, content: bytes) -> None:
    buffer = make(content)
    name = type(buffer).__name__
    assert repr(buffer) == repr(bytearray(content)).replace("bytearray", name, 1)


def test_str_is_repr() -> None:
    assert str(Buffer(b"abc")) == "Buffer(b'abc')"
    assert f"{Buffer(b'abc')}" == "Buffer(b'abc')"
    assert format(Buffer(b"abc"), "") == "Buffer(b'abc')"


def test_a_short_repr_can_be_evaluated() -> None:
    buffer = Buffer(bytes(range(256)))
    assert eval(repr(buffer)) == buffer


@pytest.mark.parametrize("size", [257, 1000, 1 << 20])
def test_long_contents_are_shortened(make: Make, size: int) -> None:
    content = pattern(size)
    text = repr(make(content))
    assert text == f"<growable.Buffer of {size} bytes: {content[:32]!r} ... {content[-32:]!r}>"


def test_the_limit_is_256() -> None:
    assert repr(Buffer(b"a" * 256)).startswith("Buffer(b'aaa")
    assert repr(Buffer(b"a" * 257)).startswith("<growable.Buffer of 257 bytes")


def test_a_huge_one_is_cheap() -> None:
    run_child(
        """
        import resource
        from growable import Buffer
        buffer = Buffer(1 << 33)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert repr(buffer).startswith("<growable.Buffer of 8589934592 bytes: b'\\\\x00")
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 4096
        """
    )


def test_a_subclass_shows_its_name() -> None:
    assert repr(SubBuffer(b"abc")) == "SubBuffer(b'abc')"


def test_an_exported_buffer(make: Make) -> None:
    buffer = make(b"abc")
    with memoryview(buffer):
        assert repr(buffer).endswith("(b'abc')")


def test_a_released_buffer() -> None:
    buffer = Buffer(b"abc")
    buffer.release()
    assert repr(buffer) == "<released growable.Buffer>"
    assert str(buffer) == "<released growable.Buffer>"


def test_a_frozen_buffer() -> None:
    buffer = Buffer(b"abc")
    buffer.freeze()
    assert repr(buffer) == "Buffer(b'abc')"


def test_a_lent_tail_does_not_show() -> None:
    buffer = Buffer(b"abc")
    with buffer.spare(5) as tail:
        tail[:] = b"xxxxx"
        assert repr(buffer) == "Buffer(b'abc')"


def test_the_type() -> None:
    assert repr(Buffer) == "<class 'growable.Buffer'>"
    assert Buffer.__module__ == "growable"
    assert Buffer.__qualname__ == Buffer.__name__ == "Buffer"


def test_methods() -> None:
    assert "find" in repr(Buffer.find)
    assert "append" in repr(Buffer.append)
    assert Buffer.find.__name__ == "find"
    assert Buffer.find.__doc__ == bytearray.find.__doc__
    assert "find" in repr(Buffer(b"abc").find)


def test_str_warns_under_b() -> None:
    code = """
        import warnings
        from growable import Buffer
        warnings.simplefilter("error")
        repr(Buffer(b"abc"))
        for form in (str, "{}".format, lambda b: "%s" % b):
            try:
                form(Buffer(b"abc"))
            except BytesWarning as warning:
                assert "bytearray" in str(warning)
            else:
                raise SystemExit("no warning")
        """
    run_child(code, options=["-b"])
    run_child(code, options=["-bb"])


def test_str_of_a_shortened_one_warns_under_b_too() -> None:
    run_child(
        """
        import warnings
        from growable import Buffer
        warnings.simplefilter("error")
        try:
            str(Buffer(b"abc" * 1000))
        except BytesWarning:
            pass
        else:
            raise SystemExit("no warning")
        """,
        options=["-b"],
    )
