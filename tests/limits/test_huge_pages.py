"""Memory in huge pages: a Buffer whose contents fill them needs no other one for the byte past its end.

The one thing a reader would get wrong: the system may be short of huge pages. So their number is only
looked at where a mapping without any Buffer got all that it wanted. And a reservation's first 64 KiB were
warm, in small pages, before anybody asked for huge ones.
"""

from __future__ import annotations

import sys
from pathlib import Path

import growable
import pytest
from support import run_child

SWITCH = Path("/sys/kernel/mm/transparent_hugepage/enabled")
HUGE = 2 << 20

SETUP = """
    import ctypes, mmap
    import growable
    from growable import Buffer
    MIB = 1 << 20
    def memory(start, size):
        "Bytes that memory stands behind, and how many of them are in huge pages."
        found = {"Rss": 0, "AnonHugePages": 0}
        inside = False
        with open("/proc/self/smaps") as lines:
            for key, value, *_ in map(str.split, lines):
                if "-" in key:
                    first, last = (int(part, 16) for part in key.split("-"))
                    inside = first < start + size and start < last
                elif inside and key[:-1] in found:
                    found[key[:-1]] += int(value) << 10
        return found["Rss"], found["AnonHugePages"]
    def behind(b):
        return memory(b.address, b.committed)
    def can_have(size):
        area = mmap.mmap(-1, size + 2 * MIB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        area.madvise(mmap.MADV_HUGEPAGE)
        area.write(bytes(len(area)))
        start = ctypes.addressof(ctypes.c_char.from_buffer(area))
        return memory(start, len(area))[1] >= size
    def fill(size, **options):
        b = Buffer(**options)
        piece = b"x" * (64 << 10)
        while len(b) < size:
            b += piece
        return b
"""


def _skip_without_huge_pages() -> None:
    if sys.platform != "linux" or not SWITCH.exists():
        pytest.skip("transparent huge pages are Linux's")
    if "[never]" in SWITCH.read_text():
        pytest.skip(f"{SWITCH} says never")
    if growable.info()["huge_page_size"] != HUGE:
        pytest.skip("huge pages of another size")


@pytest.mark.parametrize("lives", [1, 3])
@pytest.mark.parametrize("huge_pages", ["auto", True])
def test_whole_huge_pages_need_no_other(huge_pages: str | bool, lives: int) -> None:
    _skip_without_huge_pages()
    run_child(
        SETUP
        + f"""
    growable.set_defaults(pool_budget="256MiB")
    for _ in range({lives}):
        b = fill(64 * MIB, huge_pages={huge_pages!r})
        resident, huge = behind(b)
        b = None
    assert resident <= 64 * MIB + (16 << 10), resident
    if can_have(64 * MIB):
        assert huge >= 62 * MIB, huge
    """
    )


def test_the_helper_gets_huge_pages() -> None:
    _skip_without_huge_pages()
    run_child(
        SETUP
        + """
    growable.set_defaults(prefault="background")
    b = fill(64 * MIB)
    resident, huge = behind(b)
    assert resident <= 68 * MIB + (16 << 10), resident
    if can_have(64 * MIB):
        assert huge >= 62 * MIB, huge
    """
    )


def test_a_buffer_that_moves_keeps_them() -> None:
    _skip_without_huge_pages()
    run_child(
        SETUP
        + """
    growable.set_defaults(reservation="64MiB")
    b = fill(96 * MIB, huge_pages=True)
    resident, huge = behind(b)
    assert resident <= 96 * MIB + (16 << 10), resident
    if can_have(96 * MIB):
        assert huge >= 92 * MIB, huge  # but for the block that was moved, and the first
    """
    )
