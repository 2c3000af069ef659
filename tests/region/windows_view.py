"""What Windows says of pages: VirtualQueryEx, by way of ctypes and not of growable.

The one thing a reader would get wrong: a guard page (PAGE_GUARD) is told as without access, since the
next access to it faults; what it allows afterwards does not show here.
"""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass

from support import PAGE

THIS_PROCESS = -1
PAGE_GUARD, PAGE_NOCACHE, PAGE_WRITECOMBINE = 0x100, 0x200, 0x400

_STATES = {0x1000: "committed", 0x2000: "reserved", 0x10000: "free"}
_TYPES = {0: "none", 0x20000: "private", 0x40000: "section", 0x1000000: "image"}
_ACCESS = {
    0x01: "none",
    0x02: "r",
    0x04: "rw",
    0x08: "wc",
    0x20: "rx",
    0x40: "rwx",
    0x80: "rwx",
}


class _Information(ctypes.Structure):
    """MEMORY_BASIC_INFORMATION."""

    _fields_ = (
        ("base", ctypes.c_size_t),
        ("allocation", ctypes.c_size_t),
        ("allocated_as", ctypes.c_uint32),
        ("partition", ctypes.c_uint16),
        ("size", ctypes.c_size_t),
        ("state", ctypes.c_uint32),
        ("protection", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
    )


@dataclass
class Run:
    """One run of pages."""

    end: int
    allocation: int
    state: str
    protection: int
    type: str

    @property
    def access(self) -> str:
        """Return what an access may do now."""
        if self.state != "committed":
            return "free" if self.state == "free" else "none"
        return "none" if self.protection & PAGE_GUARD else _ACCESS[self.protection & 0xFF]


def run_at(address: int, process: int = THIS_PROCESS) -> Run:
    """Return the run of pages that the address lies in."""
    if sys.platform != "win32":
        raise NotImplementedError
    call = ctypes.WinDLL("kernel32", use_last_error=True).VirtualQueryEx
    call.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    call.restype = ctypes.c_size_t
    found = _Information()
    if call(process, address, ctypes.byref(found), ctypes.sizeof(found)) == 0:
        raise ctypes.WinError(ctypes.get_last_error())
    return Run(
        found.base + found.size,
        found.allocation,
        _STATES[found.state],
        found.protection,
        _TYPES[found.type],
    )


def access_of_pages(address: int, size: int, process: int = THIS_PROCESS) -> list[str]:
    """Return the access of each page; "free" where nothing is reserved."""
    pages: list[str] = []
    at = address
    while at < address + size:
        run = run_at(at, process)
        end = min(run.end, address + size)
        pages += [run.access] * ((end - at) // PAGE)
        at = end
    return pages


class _WorkingSetPage(ctypes.Structure):
    """PSAPI_WORKING_SET_EX_INFORMATION."""

    _fields_ = (("address", ctypes.c_size_t), ("attributes", ctypes.c_size_t))


def resident_bytes(address: int, size: int) -> int:
    """Return how many bytes of the range are in the working set."""
    if sys.platform != "win32":
        raise NotImplementedError
    call = ctypes.WinDLL("kernel32", use_last_error=True).K32QueryWorkingSetEx
    call.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32]
    pages = (_WorkingSetPage * (size // PAGE))()
    for number, page in enumerate(pages):
        page.address = address + number * PAGE
    if not call(THIS_PROCESS, pages, ctypes.sizeof(pages)):
        raise ctypes.WinError(ctypes.get_last_error())
    return sum(page.attributes & 1 for page in pages) * PAGE
