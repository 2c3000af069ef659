"""Operations on a Region while what they ask for is refused, one thing after the other.

Run as a child by the test beside it: `python region_faults.py WHAT OPERATION...`, where WHAT is `memory`
(the interpreter's allocations) or `system` (our calls into the operating system). What fails must
leave the pages as they were; what succeeds all the same must have done its work. Prints how many
refusals were met.

The one thing a reader would get wrong: the pictures before and after are taken in peace, so what is
refused is only what the operation itself asks for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import growable
from growable import Region, _core

PAGE = int(growable.info()["page_size"])
UNIT = int(growable.info()["granularity"])
CAN = growable.capabilities()
PAGES = 4 * UNIT // PAGE * 4  # 16 units of the granularity where that is a page


def plain() -> Region:
    """Pages 2 to 9 are committed; page 8 is read-only, page 9 discarded."""
    region = Region(PAGES * PAGE)
    region.commit(2 * PAGE, 8 * PAGE)
    region.view(2 * PAGE)[:] = b"x" * 8 * PAGE
    region.protect(8 * PAGE, PAGE, "r")
    region.discard(9 * PAGE, PAGE)
    region.commit(15 * PAGE, PAGE)  # so that the list of runs is nearly full
    return region


def fresh() -> Region:
    """All pages are committed and hold something."""
    region = Region(PAGES * PAGE, commit=True)
    region.view()[:] = b"x" * PAGES * PAGE
    return region


def placeholder() -> Region:
    """One unit is private, the others are placeholders: one, and all the rest."""
    region = Region(16 * UNIT, placeholder=True)
    region.split(UNIT)
    region.split(2 * UNIT)
    region.replace(UNIT, UNIT)
    region.view(UNIT)[:4] = b"data"
    region.split(14 * UNIT)
    region.replace(14 * UNIT, 2 * UNIT, None)
    region.commit(14 * UNIT, 1)
    return region


def watched() -> Region:
    region = Region(PAGES * PAGE, commit=True, write_watch=True)
    for page in range(0, PAGES, 2):
        region.view(page * PAGE)[0] = 1
    return region


Operation = tuple[Callable[[], Region], Callable[[Region], Any]]

OPERATIONS: dict[str, Operation] = {
    "commit": (plain, lambda r: r.commit(PAGE, 12 * PAGE)),
    "commit between": (plain, lambda r: r.commit(12 * PAGE, PAGE, "r")),
    "decommit": (plain, lambda r: r.decommit(4 * PAGE, PAGE)),
    "protect": (plain, lambda r: r.protect(4 * PAGE, PAGE, "r")),
    "protect more": (plain, lambda r: r.protect(4 * PAGE, 6 * PAGE, "rw")),
    "discard": (plain, lambda r: r.discard(3 * PAGE, 2 * PAGE)),
    "discard first": (fresh, lambda r: r.discard()),
    "restore": (plain, lambda r: r.restore()),
    "lock": (plain, lambda r: r.lock(2 * PAGE, 2 * PAGE)),
    "unlock": (plain, lambda r: r.unlock(2 * PAGE, 2 * PAGE)),
    "prefetch": (plain, lambda r: r.prefetch(2 * PAGE, 2 * PAGE)),
    "view": (plain, lambda r: r.view(2 * PAGE, 5).release()),
    "pages": (plain, lambda r: r.pages()),
    "query": (plain, lambda r: r.query(2 * PAGE)),
    "release": (plain, lambda r: r.release()),
    "construct": (plain, lambda r: Region(PAGE, commit=True, name="other")),
    "construct readable": (plain, lambda r: Region(PAGE, commit=True, access="r")),
}
if CAN["prefer_node"]:
    OPERATIONS["construct on a node"] = (plain, lambda r: Region(PAGE, numa_node=0, commit=True))
if CAN["placeholder"]:
    OPERATIONS |= {
        "split": (placeholder, lambda r: r.split(8 * UNIT)),
        "coalesce": (placeholder, lambda r: (r.split(4 * UNIT), r.coalesce(2 * UNIT, 12 * UNIT))),
        "replace": (placeholder, lambda r: r.replace(0, UNIT)),
        "replace reserved": (placeholder, lambda r: r.replace(0, UNIT, None)),
        "unmap": (placeholder, lambda r: r.unmap(UNIT, UNIT, preserve=True)),
    }
if CAN["write_watch"]:
    OPERATIONS["written"] = (watched, lambda r: r.written())

STEPS = {"coalesce"}  # more than one operation: the first may be done
READING = {"view", "pages", "query", "unlock", "prefetch", "lock", "construct", "written"}


def picture(region: Region) -> Any:
    """Return what can be seen of a Region."""
    if region.released:
        return None
    runs = [(r.offset, r.length, r.state, r.access, r.discarded) for r in region.pages()]
    content = []
    for offset, length, _, access, discarded in runs:
        if access != "none" and not discarded:
            with region.view(offset, length) as view:
                content.append(hash(bytes(view)))
    return runs, content, region.exports


@contextmanager
def refused(what: str, nth: int) -> Iterator[None]:
    """Refuse the nth allocation or call."""
    if what == "memory":
        import _testcapi

        _testcapi.set_nomemory(nth, nth + 1)
        try:
            yield
        finally:
            _testcapi.remove_mem_hooks()
    else:
        _core._fault_arm(nth, 2)  # type: ignore[attr-defined]
        try:
            yield
        finally:
            _core._fault_disarm()  # type: ignore[attr-defined]


def attempt(what: str, name: str, nth: int) -> bool:
    """Run an operation with one refusal; whether it raised."""
    make, act = OPERATIONS[name]
    region = make()
    before = picture(region)
    failed = False
    try:
        with refused(what, nth):
            act(region)
    except (MemoryError, growable.GrowableError):
        failed = True
    after = picture(region)
    if failed and name not in STEPS:
        assert after == before, (name, nth, before, after)
    if name in READING:
        assert after == before, (name, nth, before, after)
    if region.released:
        return failed
    with_again = act(region) if failed and name not in STEPS else None  # it works in peace
    del with_again
    region.release()
    return failed


def main() -> None:
    """Refuse one thing after the other until several in a row were not asked for."""
    what, *names = sys.argv[1:]
    for name in names:
        make, act = OPERATIONS[name]
        act(make())  # imports and caches
        met = 0
        quiet = 0
        nth = 0
        while quiet < 12:
            nth += 1
            if attempt(what, name, nth):
                met += 1
                quiet = 0
            else:
                quiet += 1
        print(f"{name}: {met}")


if __name__ == "__main__":
    main()
