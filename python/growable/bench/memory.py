"""How much memory there is, and from where on it matters whether its first touch is slow.

What a reader would get wrong: the commands ask this too, so nothing of the benchmarks is imported.
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["WARM_FROM", "available_memory", "total_memory"]

WARM_FROM = 16 << 20
"""Less than so many bytes finds memory that was touched before."""


def available_memory() -> int | None:
    """Return how much memory can be had without swapping; None where the system does not tell."""
    return _read("MemAvailable")


def total_memory() -> int | None:
    """Return how much memory the machine has; None where the system does not tell."""
    return _read("MemTotal")


def _read(name: str) -> int | None:
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return None
    match = re.search(rf"^{name}: *([0-9]+) kB", text, re.MULTILINE)
    return int(match[1]) * 1024 if match else None
