"""`growable bench`: the benchmarks, from an installed package."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from growable.bench.memory import available_memory
from growable.cli import arguments, report
from growable.cli.report import CommandError, size_text

if TYPE_CHECKING:
    from growable.bench.plan import Plan

EXIT_WRONG = 1


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "bench",
        help="time Buffer beside bytearray, BytesIO, NumPy, pyarrow and others",
        description="Measure Buffer beside bytearray and the usual ways to gather bytes, in turns, "
        "each in processes of its own, every result compared with what went in; and show what the "
        "project promises of these figures, and whether this run kept it. The short set takes "
        "some minutes, the full one hours.",
        epilog="Exit status 1 means wrong bytes, never a slow run. "
        "Peers that are not installed are left out: pip install 'growable[bench]' has them all.",
    )
    parser.add_argument(
        "--set",
        choices=["smoke", "short", "full"],
        default="short",
        help="how much to measure (default: short)",
    )
    parser.add_argument(
        "--smoke",
        dest="set",
        action="store_const",
        const="smoke",
        help="see that everything runs and is right, in seconds; no figures worth reading",
    )
    parser.add_argument(
        "--full", dest="set", action="store_const", const="full", help="the whole grid"
    )
    parser.add_argument(
        "--total", type=arguments.size, action="append", help="a cell of your own; may be repeated"
    )
    parser.add_argument(
        "--chunk", type=arguments.size, action="append", help="appended at a time; may be repeated"
    )
    parser.add_argument(
        "--with",
        dest="names",
        metavar="NAME",
        action="append",
        help="only this contestant, beside bytearray and Buffer; may be repeated",
    )
    parser.add_argument(
        "--runs",
        type=arguments.count_up_to(100),
        help="measure the cells so often, the later times bytearray and Buffer alone "
        "(default: 3 with --full, otherwise 1)",
    )
    parser.add_argument(
        "--output", type=Path, help="write JSON, Markdown and plots into this folder"
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with a run that was interrupted, from what it left in --output",
    )
    arguments.add_output_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    # Not above: the other commands do without it.
    from growable.bench import run as bench
    from growable.bench import tables
    from growable.bench.runner import ChildError, WrongResult

    plan = _plan(options)
    _check_possible(plan)
    path: Path | None = options.output and bench.document_path(options.output, plan)
    begun = _begun(path, plan, options)

    def keep(document: dict[str, Any]) -> None:
        if path:
            bench.write_document(document, path)

    try:
        with _progress(options) as progress:
            document = bench.run(plan, options.runs or plan.runs, progress, keep, begun)
    except WrongResult as error:
        print(f"growable: WRONG RESULT: {error}", file=sys.stderr)
        return EXIT_WRONG
    except ChildError as error:
        print(f"growable: {error}", file=sys.stderr)
        return EXIT_WRONG
    files = bench.write(document, path) if path else []
    if options.json:
        report.print_json(document)
    else:
        print(tables.markdown(document), end="")
    for file in files:
        print(f"wrote {file}", file=sys.stderr)
    failed = bench.failures(document)
    for line in failed:
        print(f"growable: {line}", file=sys.stderr)
    return EXIT_WRONG if failed else 0


def _begun(path: Path | None, plan: Plan, options: argparse.Namespace) -> dict[str, Any] | None:
    """Return the document that --resume goes on with."""
    from growable.bench.run import can_go_on

    if not options.resume:
        return None
    if path is None:
        raise CommandError("--resume needs --output, the folder of the run to go on with")
    try:
        begun: dict[str, Any] = json.loads(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise CommandError(f"{path.name} is no document of a run: {error}") from None
    if begun.get("complete"):
        raise CommandError(f"the run in {path.name} is complete: there is nothing to go on with")
    if not can_go_on(begun, plan, options.runs or plan.runs):
        raise CommandError(f"the run in {path.name} was another one, or of another machine")
    return begun


def _plan(options: argparse.Namespace) -> Plan:
    from growable.bench.contestants import CONTESTANTS
    from growable.bench.plan import SETS, only, own

    if (options.total is None) != (options.chunk is None):
        raise CommandError("--total and --chunk go together")
    plan = SETS[options.set]
    if options.total is not None:
        plan = own(plan, options.total, options.chunk)
    if not plan.cells:
        raise CommandError("every --chunk is larger than every --total")
    if options.names is None:
        return plan
    for name in options.names:
        if name not in CONTESTANTS:
            raise CommandError(
                f"no contestant {name!r}; there are: {', '.join(map(repr, CONTESTANTS))}"
            )
    return only(plan, options.names)


def _check_possible(plan: Plan) -> None:
    """Refuse before any work what would drive the machine out of memory."""
    largest = max(cell.total for cell in plan.cells)
    available = available_memory()
    if available is not None and 2 * largest > available:
        raise CommandError(
            f"{size_text(largest)} is too much here: {size_text(available)} are available"
        )


@contextmanager
def _progress(options: argparse.Namespace) -> Iterator[Callable[[float, float, str], None]]:
    """Show a progress bar while entered; what it yields takes done, in all, and what comes next."""
    if not arguments.progress_wanted(options):
        yield lambda _done, _total, _what: None
        return
    bar: Any = report.progress_bar()
    with bar:
        task = bar.add_task("starting", total=None)
        yield lambda done, total, what: bar.update(
            task, completed=done, total=total, description=what
        )
