"""Refuse sections everything they need, one thing after the other.

    python section_faults.py memory|calls

`memory` are the interpreter's allocations, `calls` our calls into the operating system, which need a
build of the `fault` preset. Each operation runs with the first thing refused, then the second, until
nothing that it asks for is refused: it raises, or does all of it, and keeps no descriptor and no name.
Prints how many refusals made an operation fail.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import growable
from growable import Region, Section, _core

UNIT = int(growable.info()["granularity"])
NAME = f"faults-{os.getpid()}"
PATH = str(Path(tempfile.mkdtemp()) / "bytes")
REFUSED = (MemoryError, growable.GrowableError, OSError)
MOST = 500


def of_file() -> Section:
    return Section.from_file(PATH, "w+", 10)


def in_region(section: Section) -> Region:
    region = Region(4 * UNIT, placeholder=True)
    region.map(section, 0, UNIT, UNIT)
    return region


def sealed(section: Section) -> None:
    section.seal()
    assert section.view().readonly


def unmapped(section: Section) -> None:
    region = in_region(section)
    region.unmap(UNIT, UNIT)
    region.replace(0, UNIT, section)


OPERATIONS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "make": (lambda: None, lambda _: Section(1)),
    "make with a name": (lambda: None, lambda _: Section(1, NAME)),
    "open": (lambda: Section(1, NAME), lambda _: Section.open(NAME)),
    "from a file": (lambda: None, lambda _: of_file()),
    "from a handle": (lambda: Section(1), lambda s: Section.from_handle(s.handle)),
    "view": (lambda: Section(1), lambda s: s.view()[0]),
    "resize": (of_file, lambda s: s.resize(100)),
    "seal": (lambda: Section(1), sealed),
    "repr": (lambda: Section(1, NAME), repr),
    "size": (lambda: Section(1), lambda s: (s.size, len(s), s.name, s.handle)),
    "map": (lambda: Section(UNIT), in_region),
    "unmap": (lambda: Section(UNIT), unmapped),
}


def refuse(kind: str, nth: int) -> None:
    if kind == "calls":
        _core._fault_arm(nth, 1)
    else:
        import _testcapi

        _testcapi.set_nomemory(nth - 1, nth)


def refuse_nothing(kind: str) -> None:
    if kind == "calls":
        _core._fault_disarm()
    else:
        import _testcapi

        _testcapi.remove_mem_hooks()


def attempt(kind: str, nth: int, act: Callable[[Any], Any], subject: Any) -> bool:
    """Return whether it failed."""
    refuse(kind, nth)
    try:
        act(subject)
    except REFUSED:
        return True
    else:
        return False
    finally:
        refuse_nothing(kind)


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def main(kind: str) -> None:
    failures = 0
    for prepare, act in OPERATIONS.values():
        successes, nth = 0, 0
        act(prepare())  # what is kept from the first time on is no leak
        before = descriptors()
        while successes < 5 and nth < MOST:
            nth += 1
            subject = prepare()
            failed = attempt(kind, nth, act, subject)
            failures += failed
            successes = 0 if failed else successes + 1
            act(prepare() if isinstance(subject, Section) and subject.sealed else subject)
            if isinstance(subject, Section):
                subject.close()
            del subject
        assert descriptors() == before
        assert not os.path.exists(f"/dev/shm/growable.{NAME}")
    print(failures)


main(sys.argv[1])
