"""What other processes do in the tests; importable by them under every start method."""

from __future__ import annotations

import time
from typing import Any

from growable import Section


def fill(section: Section, offset: int, content: bytes) -> None:
    """Write into a section that came along as an argument."""
    with section.view(offset, len(content)) as view:
        view[:] = content


def describe(section: Section) -> tuple[int, str | None, bool, bool, bytes]:
    """Tell what arrived."""
    start = bytes(section.view(0, 5))
    return section.size, section.name, section.readonly, section.sealed, start


def echo(connection: Any) -> None:
    """Take sections out of a pipe, write to each, and say so, until None comes."""
    while (section := connection.recv()) is not None:
        section.view()[:4] = b"echo"
        connection.send(section.size)


def take_from_queue(given: Any, done: Any) -> None:
    """Take a section out of a queue and write to it."""
    section = given.get()
    section.view()[:5] = b"queue"
    done.put(section.size)


def open_by_name(name: str, content: bytes) -> None:
    """Open a section by name and write to it."""
    with Section.open(name) as section:
        section.view()[: len(content)] = content


def grow(section: Section, size: int) -> None:
    """Make a shared section larger and write at its new end."""
    section.resize(size)
    section.view()[-3:] = b"end"


def hold(name: str, ready: Any) -> None:
    """Make a named section and wait to be killed."""
    section = Section(4096, name)
    ready.send(section.size)
    time.sleep(600)
