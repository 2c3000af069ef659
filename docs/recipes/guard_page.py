"""A guard page: be told when a stack or a table comes near its end, and make it larger in time.

Memory is committed up to a guard page. The first write to that page is told, and goes through; the
program commits more and sets the guard further on. This is how systems grow the stacks of threads.

    python docs/recipes/guard_page.py
"""

from __future__ import annotations

import time

import growable
from growable import Region

PAGE = growable.info()["page_size"]
PAGES = 16


def main() -> None:
    region = Region(PAGES * PAGE, name="stack")
    region.commit(0, 2 * PAGE)
    committed = 2 * PAGE

    def grow(offset: int) -> None:
        nonlocal committed
        print(f"page {offset // PAGE} was touched: one page more")
        if committed < region.size:
            region.commit(committed, PAGE)
            region.guard(committed, PAGE, grow)
            committed += PAGE

    region.guard(PAGE, PAGE, grow)
    print(region.pages())
    written = 0
    while written < region.size:
        with region.view(written, 8) as slot:
            slot[:] = written.to_bytes(8, "little")
        written += PAGE // 2
        while written >= committed and committed < region.size:
            time.sleep(0.001)  # the alarm runs soon after the access, on the main thread
    print(region.pages())
    assert committed == region.size
    assert region.guard_hits() == [page * PAGE for page in range(1, PAGES)]
    for offset in range(0, region.size, PAGE // 2):
        assert int.from_bytes(region.view(offset, 8), "little") == offset
    region.release()


if __name__ == "__main__":
    main()
