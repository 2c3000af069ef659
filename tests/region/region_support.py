"""What the tests of Region share: the system's own view of its pages, and what must not work.

The one thing a reader would get wrong: a reserved page and a committed one without access look the
same in /proc/self/smaps. Only a page's protection can be compared there, and its memory.
"""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import growable
import pytest
import windows_view
from growable import Region
from support import PAGE, run_child, under_sanitizer

plain_only = pytest.mark.skipif(
    under_sanitizer(), reason="a sanitizer handles faults itself, and has its own use for memory"
)
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
linux_or_windows = pytest.mark.skipif(
    sys.platform not in ("linux", "win32"), reason="nothing here shows the system's own view"
)

MADV_DONTNEED, MADV_PAGEOUT = 4, 21
ACCESS_VIOLATION = 0xC0000005
CAN = growable.capabilities()


@dataclass
class Mapping:
    """One entry of /proc/self/smaps."""

    start: int
    end: int
    access: str
    resident: int
    locked: int
    swapped: int


_HEAD = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (....) ")


def mappings() -> Iterator[Mapping]:
    """Give what /proc/self/smaps lists."""
    found: Mapping | None = None
    with open("/proc/self/smaps") as file:
        for line in file:
            head = _HEAD.match(line)
            if head:
                if found:
                    yield found
                found = Mapping(int(head[1], 16), int(head[2], 16), head[3][:3], 0, 0, 0)
            elif found and line.startswith("Rss:"):
                found.resident = int(line.split()[1]) * 1024
            elif found and line.startswith("Locked:"):
                found.locked = int(line.split()[1]) * 1024
            elif found and line.startswith("Swap:"):
                found.swapped = int(line.split()[1]) * 1024
    if found:
        yield found


def system_access(region: Region) -> list[str]:
    """Return "none", "r", "rw", ... of each page, as the system has it."""
    return access_of_range(region.address, region.size)


def access_of_range(address: int, size: int) -> list[str]:
    """Return the access of each page; "free" where nothing is mapped."""
    if sys.platform == "win32":
        return windows_view.access_of_pages(address, size)
    pages = ["free"] * (size // PAGE)
    for mapping in mappings():
        first = max(mapping.start, address)
        last = min(mapping.end, address + size)
        name = mapping.access.replace("-", "") or "none"
        for page in range(first, last, PAGE):
            pages[(page - address) // PAGE] = name
    return pages


def told_access(region: Region) -> list[str]:
    """Return the access of each page, as the Region has it."""
    return [run.access for run in region.pages() for _ in range(run.length // PAGE)]


def told_states(region: Region) -> str:
    """Return the first letter of each page's state."""
    return "".join(run.state[0] * (run.length // PAGE) for run in region.pages())


def system_resident(region: Region) -> int:
    """Return the resident bytes of the mappings that lie wholly within the Region."""
    if sys.platform == "win32":
        return windows_view.resident_bytes(region.address, region.size)
    end = region.address + region.size
    return sum(m.resident for m in mappings() if region.address <= m.start and m.end <= end)


def system_locked(region: Region) -> int:
    """Return the locked bytes of the mappings that lie wholly within the Region."""
    end = region.address + region.size
    return sum(m.locked for m in mappings() if region.address <= m.start and m.end <= end)


def drop(region: Region, offset: int, length: int, advice: int = MADV_DONTNEED) -> None:
    """Do to pages what the system does when memory is short."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    if libc.madvise(region.address + offset, length, advice) != 0:
        raise OSError(ctypes.get_errno(), "madvise")


def dies(code: str) -> bool:
    """Run code in a child, with `P` and `Region` at hand; whether it died of a fault.

    The child prints a line before the access that must kill it, so that an error is none.
    """
    head = "import ctypes, growable, sys\nfrom growable import Region\n"
    head += "P = growable.info()['page_size']\n"
    head += "def near(): print('near', flush=True)\n"
    head += "def read(at): return ctypes.string_at(at, 1)\n"
    head += "def write(at): ctypes.memset(at, 1, 1)\n"
    result = run_child(head + code, check_exit=False, env={"PYTHONFAULTHANDLER": ""})
    assert result.stdout == "near\n", result.stderr
    if result.returncode == 0:
        return False
    if sys.platform == "win32":
        # ctypes makes an exception of it, which ends this child as well.
        assert result.returncode == ACCESS_VIOLATION or "access violation" in result.stderr
        return True
    assert result.returncode in (-11, -7), (result.returncode, result.stderr)
    return True


@dataclass
class Refusal:
    """What a Region was like before something was refused."""

    region: Region

    def __post_init__(self) -> None:
        self.before = (str(self.region.pages()), self.region.exports)

    def check(self) -> None:
        assert (str(self.region.pages()), self.region.exports) == self.before
