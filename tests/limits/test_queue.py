"""A queue, filled at the end and emptied at the front, stays as small as what is in it."""

from __future__ import annotations

import sys

import pytest
from support import run_child, under_sanitizer

pytestmark = [
    pytest.mark.skipif(under_sanitizer(), reason="a sanitizer counts otherwise and is slow"),
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc"),
]

QUEUE = """
    import os, sys
    from growable import Buffer
    MIB = 1 << 20
    def memory():
        fields = dict(line.split(":") for line in open("/proc/self/status") if ":" in line)
        return {name: int(fields[name].split()[0]) // 1024 for name in ("VmRSS", "VmPTE", "VmSize")}
    chunk = os.urandom(64) * 16384
    def run(buffer, total, backlog, view=False):
        while len(buffer) < backlog:
            buffer += chunk
        start = memory()
        most = 0
        for step in range(total // len(chunk)):
            if view:
                with memoryview(buffer) as seen:
                    buffer += chunk
                    assert seen[0] == chunk[0]
            else:
                buffer += chunk
            del buffer[: len(chunk)]
            if step % 256 == 0:
                most = max(most, memory()["VmRSS"])
        assert buffer == chunk * (len(buffer) // len(chunk))
        end = memory()
        assert most - start["VmRSS"] < 16, (start, most)
        assert end["VmPTE"] - start["VmPTE"] < 4, (start, end)
        assert end["VmSize"] - start["VmSize"] < 64, (start, end)
        assert buffer.committed < len(buffer) + 16 * MIB, buffer.committed
"""


@pytest.mark.parametrize("options", ["", "capacity=16 * MIB"], ids=["free", "capacity"])
def test_ten_gigabytes_through_a_few_megabytes(options: str) -> None:
    run_child(QUEUE + f"    run(Buffer({options}), 10 << 30, 4 * MIB)\n")


@pytest.mark.parametrize("options", ["", "capacity=16 * MIB"], ids=["free", "capacity"])
def test_many_times_through_a_small_reservation(options: str) -> None:
    """The end of the reservation is reached again and again, and the contents slide back."""
    code = QUEUE + f"    run(Buffer({options}), 2 << 30, 4 * MIB, view=True)\n"
    run_child(code, env={"GROWABLE_RESERVATION": "64MiB"})


def test_a_queue_under_a_limit_of_addresses() -> None:
    """There it lives on the heap."""
    run_child(QUEUE + "    run(Buffer(), 2 << 30, 4 * MIB)\n", ulimit="-v 200000")


def test_a_queue_under_a_limit_of_data() -> None:
    run_child(QUEUE + "    run(Buffer(), 1 << 30, 4 * MIB)\n", ulimit="-d 60000")


@pytest.mark.parametrize("ulimit", ["", "-v 2000000", "-d 200000"])
@pytest.mark.parametrize("backlog", [100, 30_000, 1_000_000])
def test_small_steps_cost_the_same_whatever_stands_behind(backlog: int, ulimit: str) -> None:
    """A hundred other buffers are alive, so that the pool is past its cheap reservations."""
    run_child(
        """
        import sys, time
        from growable import Buffer
        backlog = int(sys.argv[1])
        def seconds(kind):
            others = [kind(b"x" * 5000) for _ in range(100)]
            best = 1e9
            for _ in range(3):
                queue = kind(b"x" * backlog)
                start = time.perf_counter()
                for _ in range(20_000):
                    queue += b"0123456789"
                    del queue[:10]
                best = min(best, time.perf_counter() - start)
            return best
        ours, model = seconds(Buffer), seconds(bytearray)
        assert ours < 5 * model + 0.05, (ours, model)
        """,
        str(backlog),
        ulimit=ulimit,
    )
