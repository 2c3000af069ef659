"""Sections: shareable pages, and how they travel between processes.

The type itself is made in C. This module teaches multiprocessing to send one along: as an argument
of a Process under any start method, and through its queues, pipes and pools.

What a reader would get wrong: only multiprocessing's own pickler can do that, since a handle has to
be handed over beside the bytes of the pickle. Any other pickler raises TypeError.
"""

from __future__ import annotations

import os
import sys
from multiprocessing import reduction
from typing import Any

from growable._core import Section

__all__ = ["Section"]

if sys.platform == "win32":
    import _winapi

    _QUERY, _MAP_WRITE, _MAP_READ = 1, 2, 4

    def _send(section: Section) -> Any:
        access = _QUERY | _MAP_READ | (0 if section.readonly else _MAP_WRITE)
        return reduction.DupHandle(section.handle, access)

    def _close(handle: int) -> None:
        _winapi.CloseHandle(handle)

else:

    def _send(section: Section) -> Any:
        return reduction.DupFd(section.fileno())

    def _close(handle: int) -> None:
        os.close(handle)


def _receive(sent: Any, name: str | None) -> Section:
    handle = sent.detach()
    try:
        return Section.from_handle(handle, name)
    finally:
        _close(handle)


def _reduce(section: Section) -> tuple[Any, ...]:
    return _receive, (_send(section), section.name)


reduction.register(Section, _reduce)
