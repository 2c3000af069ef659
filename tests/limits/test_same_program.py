"""A program that runs with bytearray runs with Buffer, under the same limits.

Each program runs as a child with the built-in first; where that succeeds, ours must. Both children
import the extension, so that its own few pages are no difference.
"""

from __future__ import annotations

import resource
import sys
from dataclasses import dataclass

import pytest
from support import run_child, under_sanitizer

pytestmark = [
    pytest.mark.skipif(under_sanitizer(), reason="a sanitizer needs the addresses for itself"),
    pytest.mark.skipif(sys.platform != "linux", reason="limits of this kind are Linux's"),
]

MIB = 1 << 20

PROGRAMS = {
    "grow by chunks": """
        made = kind()
        chunk = b"x" * 65536
        while len(made) < size:
            made += chunk
        assert made[0] == made[-1] == 120
    """,
    "grow by bytes": """
        made = kind()
        chunk = b"x" * 4093
        while len(made) < min(size, 8 << 20):
            made.append(1)
            made.extend(chunk)
    """,
    "made at once": """
        made = kind(size)
        made[size // 2] = 1
        assert sum(made[size // 2 - 1 : size // 2 + 2]) == 1
    """,
    "copied": """
        made = kind(b"x" * (size // 3))
        other = kind(made)
        assert other == made
    """,
    "emptied and filled again": """
        made = kind()
        for _ in range(3):
            made += bytes(size // 3)
            made.clear()
        made += bytes(size // 3)
        assert not any(made[:100])
    """,
    "a queue": """
        made = kind()
        chunk = b"x" * 65536
        moved = 0
        while moved < 2 * size:
            made += chunk
            moved += len(chunk)
            if len(made) > size // 4:
                del made[: len(made) // 2]
    """,
    "many small": """
        made = [kind(b"x" * 100) for _ in range(size // 4000)]
        assert all(len(m) == 100 for m in made)
    """,
    "many exported": """
        made = [kind(b"x" * 100) for _ in range(size // 16000)]
        views = [memoryview(m) for m in made]
        assert all(len(v) == 100 for v in views)
    """,
    "some of a megabyte": """
        made = [kind(b"x" * (1 << 20)) for _ in range(size // (3 << 20))]
        views = [memoryview(m) for m in made]
        assert all(len(m) == 1 << 20 for m in made)
    """,
    "joined and decoded": """
        made = kind(b"ab" * (size // 16))
        assert len(made.decode("ascii")) == len(made)
        assert made.count(b"ab") == size // 16
    """,
}

LIMITS = {
    "-v": [150_000, 300_000, 1_000_000, 4_000_000, 70_000_000],
    "-d": [60_000, 300_000, 1_000_000],
}
CASES = [(option, value) for option, values in LIMITS.items() for value in values]


@dataclass(frozen=True)
class Run:
    """How a child ended."""

    code: int
    error: str


def run(program: str, kind: str, size: int, limit: str) -> Run:
    done = run_child(
        "import sys, growable\n"
        "kind = {'bytearray': bytearray, 'Buffer': growable.Buffer}[sys.argv[1]]\n"
        "size = int(sys.argv[2])\n" + "\n".join(line[8:] for line in program.splitlines()),
        kind,
        str(size),
        ulimit=limit,
        check_exit=False,
    )
    return Run(done.returncode, done.stderr[-2000:])


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize(("option", "value"), CASES, ids=[f"{o}{v}" for o, v in CASES])
def test_whenever_bytearray_succeeds(option: str, value: int, name: str) -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_AS if option == "-v" else resource.RLIMIT_DATA)
    if soft not in (resource.RLIM_INFINITY, -1) and soft < value * 1024:
        pytest.skip("the machine's own limit is lower")
    limit = f"{option} {value}"
    for share in (0.1, 0.3, 0.6):
        size = min(int(value * 1024 * share), 150 * MIB)
        model = run(PROGRAMS[name], "bytearray", size, limit)
        if model.code == 77:
            pytest.skip(f"`ulimit {limit}` is refused here")
        if model.code == 0:
            ours = run(PROGRAMS[name], "Buffer", size, limit)
            assert ours.code == 0, f"{size} bytes under {limit}:\n{ours.error}"


@pytest.mark.parametrize(("option", "value"), CASES, ids=[f"{o}{v}" for o, v in CASES])
def test_running_out_is_a_memory_error(option: str, value: int) -> None:
    """What does not fit raises, leaves the contents, and the buffer can be used."""
    run_child(
        """
        from growable import Buffer
        made = Buffer()
        chunk = b"x" * (8 << 20)
        for _ in range(100):
            before = len(made)
            try:
                made += chunk
            except MemoryError as error:
                assert len(made) == before
                assert made[:1] == b"x" or before == 0
                made.append(1) if before < made.committed - 1 else None
                break
        made.clear()
        made += b"again"
        assert made == b"again"
        """,
        ulimit=f"{option} {value}",
    )
