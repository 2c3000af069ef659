"""What the commands have in common on their command lines."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from growable.cli import report
from growable.config import parse_size

__all__ = ["add_output_options", "count_up_to", "progress_wanted", "size"]


def size(text: str) -> int:
    """Convert a size in bytes, such as 10MB."""
    try:
        return parse_size(text, minimum=1)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def count_up_to(most: int) -> Callable[[str], int]:
    """Return what converts a number from 1 to `most`."""

    def convert(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"must be from 1 to {most}, not {text!r}")
        return int(text)

    return convert


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Add --progress and --json."""
    parser.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="show a progress bar on stderr (default: when that is a terminal)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def progress_wanted(options: argparse.Namespace) -> bool:
    """Tell whether to show a progress bar: where it was not said, if it can be shown well."""
    if options.progress is not None:
        return bool(options.progress)
    return sys.stderr.isatty() and report.has_rich()
