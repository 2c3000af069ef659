"""A program that runs with bytearray runs with Buffer, under the same limits.

For each program and limit the largest size at which bytearray succeeds is looked for; ours must
succeed there (or nearly, see `programs.Program`) and below.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import pytest
from programs import PROGRAMS
from support import run_child, under_sanitizer

pytestmark = [
    pytest.mark.skipif(under_sanitizer(), reason="a sanitizer needs the addresses for itself"),
    pytest.mark.skipif(sys.platform != "linux", reason="limits of this kind are Linux's"),
]

SCRIPT = Path(__file__).with_name("programs.py")

# KiB, as ulimit counts, and the size in bytes to try at most. Low limits, so that programs get near
# them in little time; the last is just above one default reservation.
LIMITS = [
    ("-v", 100_000, 100_000 << 10),
    ("-d", 60_000, 60_000 << 10),
    ("-v", 70_000_000, 8 << 20),
]
IDS = [f"{option}{kib}" for option, kib, _ in LIMITS]
BARE_LIMITS = [limit[:2] for limit in LIMITS]


def skip_unless_below_the_machines(option: str, kib: int) -> None:
    kind = resource.RLIMIT_AS if option == "-v" else resource.RLIMIT_DATA
    soft, _ = resource.getrlimit(kind)
    if soft not in (resource.RLIM_INFINITY, -1) and soft < kib * 1024:
        pytest.skip("the machine's own limit is lower")


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize(("option", "kib", "most"), LIMITS, ids=IDS)
def test_whenever_bytearray_succeeds(option: str, kib: int, most: int, name: str) -> None:
    skip_unless_below_the_machines(option, kib)
    done = run_child(SCRIPT.read_text(), name, str(most), ulimit=f"{option} {kib}")
    found = json.loads(done.stdout)
    if found["best"] == 0:
        pytest.skip(f"bytearray does not run under ulimit {option} {kib} either")
    assert set(found["ends"].values()) == {0}, f"{found}\n{done.stderr}"


@pytest.mark.parametrize(("option", "kib"), BARE_LIMITS[:2], ids=IDS[:2])
def test_running_out_is_a_memory_error(option: str, kib: int) -> None:
    """What does not fit raises, leaves contents and length, and the buffer can still be used."""
    skip_unless_below_the_machines(option, kib)
    run_child(
        """
        from growable import Buffer
        for exported in (False, True):
            made = Buffer(b"start")
            view = memoryview(made) if exported else None
            chunk = b"x" * (8 << 20)
            for _ in range(200):
                before = len(made)
                try:
                    made += chunk
                except (MemoryError, BufferError) as error:
                    assert exported or isinstance(error, MemoryError), error
                    break
            else:
                raise AssertionError("1.6 GiB fitted under the limit")
            assert len(made) == before
            assert made[:5] == b"start" and made[-1:] in (b"t", b"x")
            if exported:
                assert view == b"start"
                view.release()
            made.clear()
            made += b"again"
            assert made == b"again"
            del made
        """,
        ulimit=f"{option} {kib}",
    )


@pytest.mark.parametrize(("option", "kib"), BARE_LIMITS, ids=IDS)
def test_growing_while_exported_works_under_limits(option: str, kib: int) -> None:
    """The promise holds where there is room for it, if not for gigabytes."""
    skip_unless_below_the_machines(option, kib)
    run_child(
        """
        from growable import Buffer
        made = Buffer(b"start")
        with memoryview(made) as view:
            for _ in range(10):
                made += b"x" * 65_536
            assert view == b"start"
        assert len(made) == 5 + 10 * 65_536
        """,
        ulimit=f"{option} {kib}",
    )


@pytest.mark.parametrize("option", ["-v", "-d"])
def test_a_limit_set_later_is_seen(option: str) -> None:
    """A program may limit itself after the first buffers were made."""
    run_child(
        f"""
        import resource
        from growable import Buffer
        early = Buffer(b"x" * 1_000_000)
        view = memoryview(early)
        with open("/proc/self/statm") as statm:
            used = int(statm.read().split()[0]) * resource.getpagesize()
        kind = {"resource.RLIMIT_AS" if option == "-v" else "resource.RLIMIT_DATA"}
        limit = (used if kind == resource.RLIMIT_AS else 0) + (200 << 20)
        resource.setrlimit(kind, (limit, limit))
        made = [Buffer(b"y" * 1000) for _ in range(2000)]
        views = [memoryview(each) for each in made]
        big = Buffer()
        while len(big) < 100 << 20:
            big += bytes(1 << 20)
        early += b"more"
        assert view[0] == 120 and len(early) == 1_000_004
        """,
    )


def test_a_limit_set_after_the_import_leaves_the_program_its_addresses() -> None:
    """Whoever imports the package and makes no buffer holds next to no addresses."""
    done = run_child(
        """
        import resource
        import growable

        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
        block = bytearray(100 << 20)
        buffer = growable.Buffer(b"x" * 1000)
        view = memoryview(buffer)
        buffer += bytes(1 << 20)
        print(len(view), len(buffer), len(block))
        """
    )
    assert done.stdout.split() == ["1000", str(1000 + (1 << 20)), str(100 << 20)]


def test_the_first_buffer_grows_as_far_as_the_next() -> None:
    """It gets its addresses later than its first pages, and no fewer."""
    done = run_child(
        """
        import growable

        first, second = growable.Buffer(), growable.Buffer()
        for buffer in (first, second):
            while len(buffer) < 200_000:
                buffer += bytes(1000)
        print(first.capacity == second.capacity, first.capacity >> 20)
        """
    )
    same, mebibytes = done.stdout.split()
    assert same == "True"
    assert int(mebibytes) >= 1023
