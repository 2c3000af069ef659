"""`growable demo`: grow a buffer under live views on real input, beside the built-in ways.

This file is the command. race.py starts the runs, measure.py is what each run does, outcome.py
makes one document of the results and demo_text.py shows it. With --array it is array_demo.py that
does all that, for rows of numbers; with --pages pages_demo.py shows pages instead.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from growable.bench.memory import available_memory
from growable.cli import arguments, array_demo, pages_demo, report
from growable.cli.demo_text import show
from growable.cli.outcome import make_outcome
from growable.cli.race import race
from growable.cli.report import CommandError, size_text
from growable.cli.source import Input, named_files, standard_library
from growable.config import parse_size

DEFAULT_SIZE = "256MiB"
DEFAULT_CHUNK = "64KiB"
EXIT_CHECK_FAILED = 1

_MANY_ROUNDS_UP_TO = 64 << 20
_FEW_ROUNDS_UP_TO = 1 << 30


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "demo",
        help="grow a buffer under live views, beside bytearray, BytesIO and list + join",
        description="Stream files into a growable.Buffer while views taken at the very start stay "
        "open; check that they still show the right bytes at the same address; and show time and "
        "memory beside bytearray, io.BytesIO and list + join. With --array: append the rows of a "
        "CSV file to a growable.Array and a growable.Table while a column is averaged now and "
        "then, beside list + np.array, np.append, doubling by hand and array.array. With --pages: "
        "play the classic uses of pages and show the page map after each step.",
        epilog="Sizes are bytes, or such as 10MB or 64GiB.",
    )
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="input (default: the standard library's sources)"
    )
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument(
        "--pages",
        action="store_true",
        help="reserve, commit, protect, place and map pages, and check each step; no FILE",
    )
    kinds.add_argument(
        "--array",
        action="store_true",
        help="rows of numbers: FILE is a CSV file (default: one that the demo writes first)",
    )
    parser.add_argument(
        "--rows",
        type=_count_argument,
        help="with --array: repeat or cut the table to so many rows "
        f"(default: the named file once, or {array_demo.DEFAULT_ROWS:,})",
    )
    parser.add_argument(
        "--every",
        type=_count_argument,
        help="with --array: average the column after so many rows "
        f"(default: {array_demo.DEFAULT_EVERY:,})",
    )
    parser.add_argument(
        "--size",
        type=arguments.size,
        help="repeat or cut the input to this size "
        f"(default: the named files once, or {DEFAULT_SIZE} of the standard library)",
    )
    parser.add_argument(
        "--chunk",
        type=arguments.size,
        help=f"append so much at a time (default: {DEFAULT_CHUNK})",
    )
    parser.add_argument(
        "--rounds",
        type=arguments.count_up_to(1000),
        help="runs of each contestant; medians are shown (default: 5 up to 64 MiB, 3 up to 1 GiB, "
        "1 above)",
    )
    parser.add_argument(
        "--numpy",
        action=argparse.BooleanOptionalAction,
        help="hold a NumPy view too (default: when NumPy is installed)",
    )
    arguments.add_output_options(parser)
    parser.set_defaults(run=run)


def _count_argument(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 10**12:
        raise argparse.ArgumentTypeError(f"must be a number of rows, 1 or more, not {text!r}")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    _check_usage(options)
    if options.pages:
        return pages_demo.run(options)
    if options.array:
        with _progress(options) as progress:
            return array_demo.run(options, progress)
    source = _input(options)
    rounds = options.rounds or _default_rounds(source.size)
    console = None if options.json else report.open_console()
    _check_possible(source, options)
    with _progress(options) as progress:
        results = race(source, rounds, _numpy_wanted(options), progress)
    outcome = make_outcome(source, rounds, results)
    if console is None:
        report.print_json(outcome)
    else:
        show(console, outcome)
    return 0 if outcome["ok"] else EXIT_CHECK_FAILED


def _check_usage(options: argparse.Namespace) -> None:
    """Refuse options that mean nothing together."""
    if options.pages:
        _check_pages_usage(options)
    others = ("size", "chunk", "numpy") if options.array else ("rows", "every")
    for name in others:
        if getattr(options, name) is not None:
            where = "not with --array" if options.array else "only with --array"
            raise CommandError(f"--{name} can be given {where}")


def _check_pages_usage(options: argparse.Namespace) -> None:
    for name in ("size", "chunk", "rounds", "numpy", "progress", "rows", "every"):
        if getattr(options, name) is not None:
            raise CommandError(f"--{name} cannot be given with --pages")
    if options.files:
        raise CommandError("--pages takes no file")


def _input(options: argparse.Namespace) -> Input:
    chunk = options.chunk or parse_size(DEFAULT_CHUNK)
    if options.files:
        return named_files(options.files, options.size, chunk)
    return standard_library(options.size or parse_size(DEFAULT_SIZE), chunk)


def _check_possible(source: Input, options: argparse.Namespace) -> None:
    """Refuse before any work what would fail, or drive the machine out of memory."""
    if options.numpy and importlib.util.find_spec("numpy") is None:
        raise CommandError("--numpy was given, but NumPy is not installed")
    available = available_memory()
    if available is not None and 2 * source.size > available:
        raise CommandError(
            f"{size_text(source.size)} of input needs about {size_text(2 * source.size)} of memory "
            f"(list + join holds it twice),\nand {size_text(available)} are available: "
            "give a smaller --size"
        )


def _default_rounds(size: int) -> int:
    if size <= _MANY_ROUNDS_UP_TO:
        return 5
    return 3 if size <= _FEW_ROUNDS_UP_TO else 1


def _numpy_wanted(options: argparse.Namespace) -> str:
    if options.numpy is None:
        return "auto"
    return "yes" if options.numpy else "no"


@contextmanager
def _progress(options: argparse.Namespace) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar while entered; what it yields takes the bytes done, and in all."""
    bar = report.progress_bar() if arguments.progress_wanted(options) else None
    if bar is None:
        yield lambda _done, _total: None
        return
    with bar:
        task = bar.add_task("streaming", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
