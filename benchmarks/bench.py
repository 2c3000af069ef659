"""What the scripts share: alternating rounds, from the package's own harness, and plain tables.

What a reader would get wrong: no time here means anything by itself. Machines are shared and
clocks wander, so each round times every contestant, and what is kept is the median of the rounds'
ratios.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import growable
from growable.bench.contestants import OURS
from growable.bench.contestants import REFERENCE as PEER
from growable.bench.figures import Timer, alternate, quiet, ratio_of

__all__ = [
    "EXIT_MISSED",
    "EXIT_USAGE",
    "OURS",
    "PEER",
    "Timer",
    "alternate",
    "environment",
    "heading",
    "positive",
    "print_json",
    "print_report",
    "quiet",
    "ratio_of",
    "table",
]

EXIT_MISSED = 1
EXIT_USAGE = 2


# Reports.


def environment() -> dict[str, Any]:
    """Return what a reader of figures must know about where they come from."""
    found = growable.info()
    return {
        "growable": found["version"],
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "libc": " ".join(platform.libc_ver()).strip(),
        "page_size": found["page_size"],
        "thp": found["thp"],
    }


def heading(where: Mapping[str, Any]) -> str:
    """Return the environment in one or two lines."""
    libc = f", {where['libc']}" if where["libc"] else ""
    return (
        f"growable {where['growable']}, {where['python']}, {where['system']}{libc},\n"
        f"{where['page_size']} byte pages, transparent huge pages: {where['thp']}"
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a plain table; the first column is aligned left, the others right."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = []
    for row in (header, ["-" * width for width in widths], *rows):
        first, *others = row
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def positive(text: str) -> int:
    """Read a positive number from the command line."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a positive number, not {text!r}")
    return int(text)


def print_json(report: object) -> None:
    print(json.dumps(report, indent=2))


def print_report(
    report: dict[str, Any], show: Callable[[dict[str, Any]], None], *, as_json: bool
) -> None:
    """Print a report as one JSON document, or as `show` does."""
    if as_json:
        print_json(report)
    else:
        show(report)
