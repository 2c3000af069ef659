"""Which tests are left out on Windows, each with its reason; `conftest.py` skips them there.

A key is a file, a test or one parameter set of it, named from this folder. A key that names no test
any more fails the run, so the list cannot outlive what it is about.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable

POSIX_ONLY = {
    "buffer/test_construct.py::test_large_zeroed_buffer_costs_nothing": "limits memory by setrlimit",
    "buffer/test_freeze.py::test_the_fault_is_the_documented_one": "expects a signal's number",
    "buffer/test_front_deletion.py::test_a_queue_longer_than_its_reservation": (
        "reads the memory in use by getrusage"
    ),
    "buffer/test_read_from.py::test_non_blocking_descriptor_with_nothing": (
        "Python 3.11 has no os.set_blocking on Windows"
    ),
    "buffer/test_repr.py::test_a_huge_one_is_cheap": "reads the memory in use by getrusage",
    "buffer/test_tail.py::test_readv": "Windows has no os.readv",
    "buffer/test_threads.py::test_everything_at_once": (
        "Python 3.11 has no os.set_blocking on Windows"
    ),
    "buffer/test_threads.py::test_one_descriptor_into_one_buffer_from_several_threads": (
        "the C library locks a descriptor while one thread reads it, and Python's FileIO waits for "
        "that lock with the GIL held"
    ),
    "cli/test_demo_pages.py::test_reader_that_goes_away": (
        "a pipe that nobody reads any more is another error on Windows, and not handled"
    ),
    "section/test_section_in_region.py::test_a_section_that_shrank_is_refused": (
        "a file cannot be made shorter while a Section shows it"
    ),
}

# Passes or fails for reasons of Wine or of the packages that run under it.
NOT_UNDER_WINE = {
    "buffer/test_inplace_operators.py::test_repeating_by_numpy_integers[bool_]": (
        "NumPy 2.0, the newest that runs, warns of it"
    ),
    "buffer/test_leaks.py::test_read_from_a_descriptor": (
        "/proc is there and counts Wine's own descriptors"
    ),
    "region/test_region_discard.py::test_decommit_ends_a_discard": (
        "it drops at once what is discarded (MEM_RESET)"
    ),
    "region/test_region_threads.py::test_threads_on_pages_of_their_own": (
        "it drops at once what is discarded (MEM_RESET)"
    ),
    "region/test_region_windows.py::test_caching_is_what_was_asked_for": (
        "VirtualQuery does not tell of PAGE_NOCACHE and PAGE_WRITECOMBINE"
    ),
    "region/test_region_windows.py::test_large_pages_without_the_privilege": (
        "it tells of large pages, and refuses them with another error"
    ),
}


def under_wine() -> bool:
    """Return whether this Windows is Wine."""
    return sys.platform == "win32" and hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")


def left_out() -> dict[str, str]:
    """Return the tests that are left out here, and why."""
    if sys.platform != "win32":
        return {}
    reasons = {key: f"posix only: {reason}" for key, reason in POSIX_ONLY.items()}
    if under_wine():
        reasons |= {key: f"not under Wine: {reason}" for key, reason in NOT_UNDER_WINE.items()}
    return reasons


def names(test: str, key: str) -> bool:
    """Return whether a key stands for a test, both named from the folder of the tests."""
    return test == key or test.startswith((f"{key}::", f"{key}["))


def stale(tests: Iterable[str]) -> list[str]:
    """Return the keys that name none of these tests although they name one of their files."""
    tests = list(tests)
    files = {test.split("::")[0] for test in tests}
    return [
        key
        for key in left_out()
        if key.split("::")[0] in files and not any(names(test, key) for test in tests)
    ]
