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

PAGE_OF = "from growable import Buffer, info; import ctypes; PAGE = info()['page_size']\n"


def fault(setup: str, touch: str) -> int:
    """Return how a child ended that ran `setup`, which must work, and `touch`, which must not."""
    done = run_child(
        f"{PAGE_OF}{setup}\nprint('now', flush=True)\n{touch}\nprint('survived', flush=True)\n",
        check_exit=False,
    )
    assert "now" in done.stdout, done.stderr
    assert "survived" not in done.stdout
    return done.returncode


MADE = {
    "with a capacity": "b = Buffer(b'x' * 100_000, capacity=100 << 20)",
    "exported": "b = Buffer(b'x' * 10); view = memoryview(b)",
    "large": "b = Buffer(5_000_000)",
    "grown": "b = Buffer(b'x' * 100_000); view = memoryview(b); b += bytes(10_000_000)",
    "shrunk to fit": "b = Buffer(10_000_000); del b[100_000:]; b.shrink_to_fit()",
}
EDGE = """
where, committed = b.address, b.committed
assert ctypes.string_at(where + len(b), 1) == b'\\0'
ctypes.string_at(where + committed - 1, 1)
edge = (where + committed + PAGE - 1) // PAGE * PAGE
ctypes.string_at(edge - 1, 1)
"""


@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
@pytest.mark.parametrize(
    "touch",
    [
        "ctypes.string_at(edge, 1)",
        "ctypes.string_at(edge + (4 << 20), 1)",
        "ctypes.memset(edge, 1, 1)",
    ],
    ids=["reading the next page", "reading far past", "writing"],
)
def test_past_what_is_committed(made: str, touch: str) -> None:
    assert fault(made + EDGE, touch) == -signal.SIGSEGV


def test_where_the_front_was_given_back() -> None:
    setup = "b = Buffer(b'x' * (64 << 20)); where = b.address; del b[: 60 << 20]"
    assert fault(setup, "ctypes.string_at(where, 1)") == -signal.SIGSEGV


def test_writing_to_a_frozen_one() -> None:
    setup = "b = Buffer(b'x' * 100_000); where = b.address; b.freeze(); ctypes.string_at(where, 9)"
    assert fault(setup, "ctypes.memset(where, 1, 1)") == -signal.SIGSEGV


def test_an_overrun_by_the_interpreter_itself_is_a_fault_not_a_leak() -> None:
    """What a system call is asked to read past the end it refuses."""
    run_child(
        PAGE_OF
        + """
import errno, os
b = Buffer(b"x" * 100_000, capacity=100 << 20)
edge = (b.address + b.committed + PAGE - 1) // PAGE * PAGE
reader, writer = os.pipe()
write = ctypes.CDLL(None, use_errno=True).write
assert write(writer, ctypes.c_void_p(edge), 100) == -1
assert ctypes.get_errno() == errno.EFAULT
"""
    )


def physical_memory() -> int:
    """Return bytes of memory and swap."""
    with open("/proc/meminfo") as meminfo:
        fields = dict(line.split(":") for line in meminfo)
    return sum(int(fields[name].split()[0]) for name in ("MemTotal", "SwapTotal")) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_eight_gigabytes_of_zeros_cost_nothing_until_written() -> None:
    """Skipped on small machines: the system may refuse what it could never keep."""
    if physical_memory() < 9 << 30:
        pytest.skip("less than 9 GiB of memory and swap")
    run_child(
        """
        import resource, time
        from growable import Buffer
        def resident():
            with open("/proc/self/statm") as statm:
                return int(statm.read().split()[1]) * resource.getpagesize()
        before, start = resident(), time.perf_counter()
        buffer = Buffer(1 << 33)
        took = time.perf_counter() - start
        assert took < 0.5, took
        assert len(buffer) == 1 << 33
        places = [0, 1, 4095, 4096, (1 << 32) - 1, 1 << 32, (1 << 33) - 1]
        assert not any(buffer[i] for i in places)
        assert not any(buffer[i] for i in range(0, 1 << 33, (1 << 33) // 97))
        assert buffer[-5:] == bytes(5)
        assert resident() - before < 4 << 20, resident() - before
        buffer[1 << 32] = 7
        assert buffer[(1 << 32) - 1 : (1 << 32) + 2] == b"\\0\\7\\0"
        assert resident() - before < 8 << 20, resident() - before
        """
    )
