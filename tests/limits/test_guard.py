"""Past what is committed there is no memory: an overrun faults instead of reading something."""

from __future__ import annotations

import signal
import sys

import pytest
from support import run_child, under_sanitizer

pytestmark = [
    pytest.mark.skipif(under_sanitizer(), reason="a sanitizer handles the fault itself"),
    pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind are POSIX"),
]


def overrun(code: str) -> int:
    done = run_child(
        f"""
        import ctypes, sys
        from growable import Buffer
        buffer = Buffer(b"x" * 100_000, capacity=100 << 20)
        where, committed = buffer.address, buffer.committed
        assert committed < 50 << 20
        ctypes.string_at(where + committed - 1, 1)  # the last committed byte is readable
        print("now", flush=True)
        {code}
        print("survived")
        """,
        check_exit=False,
    )
    assert "now" in done.stdout, done.stderr
    assert "survived" not in done.stdout
    return done.returncode


def test_reading_past_committed_faults() -> None:
    assert overrun("ctypes.string_at(where + committed + (4 << 20), 1)") == -signal.SIGSEGV


def test_writing_past_committed_faults() -> None:
    assert overrun("ctypes.memset(where + committed + (4 << 20), 1, 1)") == -signal.SIGSEGV


def test_the_page_after_committed_faults() -> None:
    page = "__import__('mmap').PAGESIZE"
    code = f"ctypes.string_at((where + committed + {page}) // {page} * {page}, 1)"
    assert overrun(code) == -signal.SIGSEGV


def test_given_back_front_faults() -> None:
    done = run_child(
        """
        import ctypes
        from growable import Buffer
        buffer = Buffer(b"x" * (64 << 20))
        where = buffer.address
        del buffer[: 60 << 20]
        print("now", flush=True)
        ctypes.string_at(where, 1)
        print("survived")
        """,
        check_exit=False,
    )
    assert "now" in done.stdout
    assert "survived" not in done.stdout


def test_huge_zeroed_buffer_reads_as_zero_and_costs_little() -> None:
    run_child(
        """
        import resource
        from growable import Buffer
        def resident():
            with open("/proc/self/statm") as statm:
                return int(statm.read().split()[1]) * resource.getpagesize()
        before = resident()
        buffer = Buffer(1 << 33)
        assert len(buffer) == 1 << 33
        assert not any(buffer[i] for i in range(0, 1 << 33, (1 << 33) // 97))
        assert buffer[-5:] == bytes(5)
        assert resident() - before < 8 << 20, (before, resident())
        buffer[1 << 32] = 7
        assert buffer[(1 << 32) - 1 : (1 << 32) + 2] == b"\\0\\7\\0"
        assert resident() - before < 12 << 20
        """
    )
