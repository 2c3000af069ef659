"""What the commands share for showing things: errors, figures in words, and rich when it is there.

rich is an extra. It is imported here and nowhere else, and only when a table is to be shown, so
that ``--json`` works without it.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
PLAIN_WIDTH = 80


class CommandError(Exception):
    """Ends a command with a message for people and an exit status, without a traceback."""

    def __init__(self, message: str, status: int = EXIT_USAGE) -> None:
        super().__init__(message)
        self.status = status


def open_console(*, stderr: bool = False) -> Console:
    """Return a console on stdout or stderr: as wide as the terminal, or 80 columns.

    Raises
    ------
    CommandError
        When rich is not installed; the message says how to install it.
    """
    try:
        from growable.cli.console import PipeAwareConsole
    except ImportError:
        raise CommandError(
            "tables need the package rich, which is not installed.\n"
            "Install it with:  python -m pip install 'growable[cli]'\n"
            "Or use --json, which does without."
        ) from None
    stream = sys.stderr if stderr else sys.stdout
    accept_all_text(stream)
    width = None if stream.isatty() else PLAIN_WIDTH
    return PipeAwareConsole(stderr=stderr, width=width, highlight=False)


def accept_all_text(stream: TextIO | None = None) -> None:
    """Let stdout, or another stream, take what its encoding lacks, such as a file's name."""
    stream = stream or sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


def has_rich() -> bool:
    """Tell whether rich can be imported."""
    try:
        import rich
    except ImportError:
        return False
    return rich is not None


def plain_table(**settings: Any) -> Table:
    """Return an empty table in the one style that the commands use."""
    from rich import box
    from rich.table import Table

    return Table(
        box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, title_justify="left", **settings
    )


def print_lines(console: Console, lines: Iterable[str]) -> None:
    """Print lines as they are."""
    for line in lines:
        console.print(line, markup=False)


def print_results(
    console: Console,
    heading: Iterable[str],
    table: Table,
    notes: Iterable[str],
    verdict: Iterable[str],
) -> None:
    """Print what a demo has to say, in the order that all of them have."""
    print_lines(console, heading)
    console.print(table)
    print_lines(console, notes)
    console.print()
    print_lines(console, verdict)


def verdict_lines(checks: Sequence[dict[str, Any]], all_held: Iterable[str]) -> Iterator[str]:
    """Yield which checks failed, or `all_held` when none did."""
    failed = [check["name"] for check in checks if not check["ok"]]
    yield from (f"CHECK FAILED: {name}" for name in failed)
    if not failed:
        yield from all_held


def progress_bar() -> Progress:
    """Return a progress bar on stderr. A terminal shows it meanwhile, a file its last state."""
    console = open_console(stderr=True)
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=console.is_terminal,
    )


def print_json(report: object) -> None:
    """Print for machines: one JSON document, ASCII only."""
    print(json.dumps(report, indent=2))


def printable(name: str) -> str:
    """Return a file's name as it may be shown."""
    return name if name.isprintable() else ascii(name)


def known_text(value: float | None, form: Callable[[float], str]) -> str:
    """Return a figure in this form, or "?" where it was not to be had."""
    return "?" if value is None else form(value)


def rounds_text(rounds: int) -> str:
    """Return how the figures came about."""
    how = "Each ran once" if rounds == 1 else f"Medians of {rounds} runs, each"
    return f"{how} in a process of its own"


def size_text(size: int | None, *, none: str = "no limit") -> str:
    """Return a size for people: 1536 is "1.5 KiB". For None return `none`."""
    if size is None:
        return none
    amount = float(size)
    units = iter(("bytes", "KiB", "MiB", "GiB", "TiB", "PiB"))
    unit = next(units)
    while amount >= 1024 and unit != "PiB":
        amount /= 1024
        unit = next(units)
    return f"{amount:.1f}".removesuffix(".0") + " " + unit


def time_text(seconds: float) -> str:
    """Return a duration for people: 0.0012 is "1.20 ms"."""
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "us")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def rate_text(bytes_per_second: float) -> str:
    """Return a throughput for people, in powers of 1000 as memory bandwidth is given."""
    if bytes_per_second >= 1e9:
        return f"{bytes_per_second / 1e9:.2f} GB/s"
    return f"{bytes_per_second / 1e6:.1f} MB/s"
