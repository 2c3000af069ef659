"""The demo's input: which files, and their contents as one stream of a stated size."""

from __future__ import annotations

import os
import stat
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from growable.cli.report import CommandError, printable

HEAD_SIZE = 64
"""How many bytes come first, alone: the contents when the views are taken."""


@dataclass(frozen=True)
class Input:
    """Files, read over and over until `size` bytes have come."""

    description: str
    files: tuple[str, ...]
    files_size: int
    size: int
    chunk: int

    @property
    def head(self) -> int:
        """Size of the first piece. Something always follows it, but for a one-byte input."""
        return max(1, min(HEAD_SIZE, self.size // 2))


def named_files(names: Sequence[str], size: int | None, chunk: int) -> Input:
    """Return the input that consists of the named files, once or up to `size` bytes.

    Raises
    ------
    CommandError
        When a file is missing, unreadable, empty or no regular file.
    """
    total = sum(_checked_size(name) for name in names)
    what = f"{len(names):,} files" if len(names) > 1 else printable(names[0])
    return Input(what, tuple(names), total, size or total, chunk)


def standard_library(size: int, chunk: int) -> Input:
    """Return the input made of this Python's own standard library, in order of name.

    Raises
    ------
    CommandError
        When its sources are not there as files.
    """
    found = sorted(_library_sources(Path(sysconfig.get_path("stdlib"))))
    if not found:
        raise CommandError("this Python has no standard library as .py files: name a FILE")
    total = sum(file_size for _, file_size in found)
    files = tuple(name for name, _ in found)
    what = f"the standard library's {len(files):,} source files"
    return Input(what, files, total, size, chunk)


def _library_sources(library: Path) -> Iterator[tuple[str, int]]:
    for folder, folders, names in os.walk(library):
        folders[:] = [name for name in folders if not name.endswith("-packages")]
        for path in (Path(folder, name) for name in names if name.endswith(".py")):
            if path.is_file() and os.access(path, os.R_OK) and (size := path.stat().st_size):
                yield str(path), size


def _checked_size(name: str) -> int:
    try:
        with open(name, "rb", buffering=0, opener=_open_without_waiting) as file:
            found = os.fstat(file.fileno())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CommandError(f"cannot read {name!r}: {reason}") from None
    if not stat.S_ISREG(found.st_mode):
        raise CommandError(f"cannot read {name!r}: not a regular file")
    if not found.st_size:
        raise CommandError(f"cannot read {name!r}: the file is empty")
    return found.st_size


def _open_without_waiting(name: str, flags: int) -> int:
    # Opening a named pipe would wait for its writer.
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


def pieces(source: Input) -> Iterator[memoryview]:
    """Yield the stream: first the head, then chunks. All pieces share one reused block of memory.

    The block exists, every page of it touched, when this returns.

    Raises
    ------
    OSError
        When a file can no longer be read, or nothing is left in any of them.
    """
    return _read(
        source, memoryview(bytearray(b" ") * max(source.head, min(source.chunk, source.size)))
    )


def _read(source: Input, room: memoryview) -> Iterator[memoryview]:
    wanted, filled, left = source.head, 0, source.size
    while True:
        left_before = left - filled
        for name in source.files:
            with Path(name).open("rb", buffering=0) as file:
                while count := file.readinto(room[filled:wanted]):
                    filled += count
                    if filled < wanted:
                        continue
                    yield room[:filled]
                    left -= filled
                    wanted, filled = min(source.chunk, left), 0
                    if not left:
                        return
        if left - filled == left_before:
            raise OSError("the input files have become empty")
