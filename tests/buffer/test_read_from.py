"""read_from(): files, descriptors and sockets straight into the tail."""

from __future__ import annotations

import io
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import growable
import pytest
from growable import Buffer
from support import EXPORTED_MESSAGE, check, pattern

Make = Callable[..., Buffer]
SIZES = [0, 1, 100, 65_535, 65_536, 65_537, 1_000_000]


class Source:
    """Answers readinto() with a list of chunks, exceptions and odd results in turn."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[int] = []

    def readinto(self, target: memoryview) -> Any:
        self.asked.append(len(target))
        answer = self.answers.pop(0) if self.answers else b""
        if isinstance(answer, BaseException):
            raise answer
        if callable(answer):
            return answer(target)
        if isinstance(answer, bytes):
            target[: len(answer)] = answer
            return len(answer)
        return answer


@pytest.mark.parametrize("size", SIZES)
def test_bytesio_to_the_end(make_exact: Make, size: int) -> None:
    buffer = make_exact(b"head")
    assert buffer.read_from(io.BytesIO(pattern(size))) == size
    check(buffer, b"head" + pattern(size))


@pytest.mark.parametrize("buffering", [0, -1])
def test_file_to_the_end(tmp_path: Path, buffering: int) -> None:
    path = tmp_path / "data"
    path.write_bytes(pattern(300_000))
    buffer = Buffer()
    with path.open("rb", buffering=buffering) as file:
        assert buffer.read_from(file) == 300_000
        assert buffer.read_from(file) == 0
    check(buffer, pattern(300_000))


def test_descriptor_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(pattern(300_000))
    descriptor = os.open(path, os.O_RDONLY)
    buffer = Buffer()
    assert buffer.read_from(descriptor) == 300_000
    os.close(descriptor)  # still ours to close
    check(buffer, pattern(300_000))


def test_a_size_is_one_read() -> None:
    source = Source(b"abc", b"def")
    buffer = Buffer()
    assert buffer.read_from(source, 10) == 3
    assert source.asked == [10]
    check(buffer, b"abc")


def test_a_short_read_is_no_error() -> None:
    buffer = Buffer()
    assert buffer.read_from(io.BytesIO(b"abc"), 100) == 3
    check(buffer, b"abc")


def test_size_bounds_the_read() -> None:
    buffer = Buffer()
    assert buffer.read_from(io.BytesIO(b"abcdef"), 4) == 4
    check(buffer, b"abcd")


def test_size_zero_reads_nothing() -> None:
    source = Source(b"abc")
    buffer = Buffer(b"x")
    assert buffer.read_from(source, 0) == 0
    check(buffer, b"x")


def test_size_none_reads_to_the_end() -> None:
    buffer = Buffer()
    assert buffer.read_from(io.BytesIO(pattern(99_999)), None) == 99_999  # type: ignore[arg-type]


def test_pipe_with_a_slow_writer() -> None:
    reader, writer = os.pipe()

    def write() -> None:
        for step in range(50):
            os.write(writer, pattern(1000, step))
        os.close(writer)

    thread = threading.Thread(target=write)
    thread.start()
    buffer = Buffer()
    assert buffer.read_from(reader) == 50_000
    thread.join()
    os.close(reader)
    check(buffer, b"".join(pattern(1000, step) for step in range(50)))


def test_the_lock_is_free_while_a_descriptor_blocks() -> None:
    """A writer thread of the same process can run, or this would never end."""
    reader, writer = os.pipe()
    thread = threading.Thread(target=lambda: (os.write(writer, b"late"), os.close(writer)))
    buffer = Buffer()
    thread.start()
    assert buffer.read_from(reader) == 4
    thread.join()
    os.close(reader)


def test_non_blocking_descriptor_with_nothing() -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    buffer = Buffer(b"x")
    assert buffer.read_from(reader) is None
    assert buffer.read_from(reader, 10) is None
    os.write(writer, b"abc")
    assert buffer.read_from(reader) == 3
    check(buffer, b"xabc")
    os.close(writer)
    assert buffer.read_from(reader) == 0
    os.close(reader)


def test_socket() -> None:
    left, right = socket.socketpair()
    with right:
        left.sendall(b"hello")
        buffer = Buffer()
        assert buffer.read_from(right, 100) == 5
        left.sendall(pattern(50_000))
        left.close()
        assert buffer.read_from(right) == 50_000
    check(buffer, b"hello" + pattern(50_000))


def test_non_blocking_socket_with_nothing() -> None:
    left, right = socket.socketpair()
    with left, right:
        right.setblocking(False)
        buffer = Buffer()
        assert buffer.read_from(right) is None
        left.sendall(b"abc")
        assert buffer.read_from(right) == 3
    check(buffer, b"abc")


def test_none_at_once() -> None:
    buffer = Buffer(b"x")
    assert buffer.read_from(Source(None)) is None
    check(buffer, b"x")


def test_none_later() -> None:
    buffer = Buffer(b"x")
    assert buffer.read_from(Source(b"abc", None)) == 3
    check(buffer, b"xabc")


def test_an_error_at_once_changes_nothing(make_exact: Make) -> None:
    buffer = make_exact(b"x")
    with pytest.raises(ConnectionResetError):
        buffer.read_from(Source(ConnectionResetError()))
    check(buffer, b"x")
    assert buffer.exports == 0


def test_an_error_later_keeps_what_had_arrived(make_exact: Make) -> None:
    buffer = make_exact(b"x")
    with pytest.raises(ConnectionResetError) as caught:
        buffer.read_from(Source(b"abc", b"def", ConnectionResetError("gone")))
    check(buffer, b"xabcdef")
    assert "6" in "".join(caught.value.__notes__)
    assert buffer.exports == 0


@pytest.mark.parametrize("answer", [-1, -(1 << 40), 1 << 40, 1 << 70, "text", 1.5, object(), []])
@pytest.mark.parametrize("size", [-1, 10])
def test_lying_answers(answer: Any, size: int) -> None:
    buffer = Buffer(b"x")
    with pytest.raises((OSError, ValueError, TypeError)):
        buffer.read_from(Source(answer), size)
    check(buffer, b"x")
    assert buffer.exports == 0


def test_one_more_than_asked_is_a_lie() -> None:
    buffer = Buffer(b"x")
    with pytest.raises((OSError, ValueError)):
        buffer.read_from(Source(11), 10)
    check(buffer, b"x")


@pytest.mark.parametrize("source", [None, "text", b"bytes", 1.5, object()])
def test_no_source(source: Any) -> None:
    buffer = Buffer(b"x")
    with pytest.raises(TypeError, match="read_from"):
        buffer.read_from(source)
    check(buffer, b"x")


def test_closed_descriptor() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    with pytest.raises(OSError):  # noqa: PT011
        Buffer().read_from(reader)


def test_negative_descriptor() -> None:
    with pytest.raises((OSError, ValueError)):
        Buffer().read_from(-1)


def test_closed_file() -> None:
    file = io.BytesIO(b"abc")
    file.close()
    with pytest.raises(ValueError, match="closed"):
        Buffer().read_from(file)


def test_text_file_is_refused() -> None:
    with pytest.raises(TypeError):
        Buffer().read_from(io.StringIO("abc"))


MUTATIONS: dict[str, Callable[[Buffer], object]] = {
    "append": lambda b: b.append(1),
    "extend": lambda b: b.extend(bytes(100_000)),
    "clear": lambda b: b.clear(),
    "pop": lambda b: b.pop(),
    "del": lambda b: b.__delitem__(0),
    "resize": lambda b: b.resize(0),
    "spare": lambda b: b.spare(10),
    "advance": lambda b: b.advance(1),
    "read_from": lambda b: b.read_from(io.BytesIO(b"abc")),
    "ensure": lambda b: b.ensure(10_000_000),
    "release": lambda b: b.release(),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_source_that_changes_the_buffer_is_refused(name: str) -> None:
    buffer = Buffer(b"start")
    seen: list[BaseException] = []

    def meddle(target: memoryview) -> int:
        try:
            MUTATIONS[name](buffer)
        except BufferError as error:
            seen.append(error)
        target[:3] = b"abc"
        return 3

    assert buffer.read_from(Source(meddle), 10) == 3
    if name != "ensure":
        assert seen
        if name != "release":
            assert str(seen[0]) == EXPORTED_MESSAGE
    check(buffer, b"startabc")


def test_a_source_that_keeps_the_view() -> None:
    """It is released when the call returns, so that it does not keep the buffer exported."""
    kept: list[memoryview] = []

    def keep(target: memoryview) -> int:
        kept.append(target)
        target[:3] = b"abc"
        return 3

    buffer = Buffer(b"x")
    assert buffer.read_from(Source(keep), 10) == 3
    with pytest.raises(ValueError, match="released"):
        kept[0][0]
    assert buffer.exports == 0
    check(buffer, b"xabc")


def test_a_source_that_keeps_a_part_of_the_view() -> None:
    """A view of its own making stays valid, and is an export."""
    kept: list[memoryview] = []

    def keep(target: memoryview) -> int:
        kept.append(target[:3])
        target[:3] = b"abc"
        return 3

    buffer = Buffer(b"x")
    assert buffer.read_from(Source(keep), 10) == 3
    assert kept[0] == b"abc"
    assert buffer.exports == 1
    with pytest.raises(BufferError):
        buffer.clear()
    kept.clear()
    buffer.clear()
    check(buffer, b"")


def test_up_to_the_capacity() -> None:
    buffer = Buffer(capacity=1000)
    source = io.BytesIO(pattern(5000))
    assert buffer.read_from(source) == 1000
    check(buffer, pattern(1000))
    with pytest.raises(growable.CapacityError):
        buffer.read_from(source, 1)


def test_reading_while_exported() -> None:
    buffer = Buffer(b"abc")
    with memoryview(buffer) as view:
        assert buffer.read_from(io.BytesIO(pattern(500_000))) == 500_000
        assert view.tobytes() == b"abc"
    check(buffer, b"abc" + pattern(500_000))


def test_subclass_reads_too(kind: type[Buffer]) -> None:
    buffer = kind()
    buffer.read_from(io.BytesIO(b"abc"))
    check(buffer, b"abc")


def test_what_a_failing_source_left_cannot_be_advanced() -> None:
    class Source:
        def readinto(self, view: memoryview) -> int:
            view[:4] = b"left"
            raise OSError("no more")

    buffer = Buffer(b"abc")
    with pytest.raises(OSError, match="no more"):
        buffer.read_from(Source(), 10)
    with pytest.raises(ValueError, match="lent"):
        buffer.advance(4)
    assert buffer.read_from(io.BytesIO(b"def"), 10) == 3
    with pytest.raises(ValueError, match="lent"):
        buffer.advance(1)
    check(buffer, b"abcdef")
