"""`growable demo --array`: append rows to an Array and a Table under live views, beside other ways.

array_source.py is the input, array_measure.py what each run does, array_text.py shows the results.
NumPy is imported by the runs only, which are processes of their own.
"""

from __future__ import annotations

import argparse
import importlib.util
import platform
import statistics
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

from growable.bench.memory import available_memory
from growable.cli import array_text, race, report
from growable.cli.array_source import Rows, open_rows, write_csv
from growable.cli.report import CommandError, size_text
from growable.config import package_version

DEFAULT_ROWS = 100_000
DEFAULT_EVERY = 1000
DEFAULT_ROUNDS = 3
LIMIT = 3.0
"""Seconds after which a run is stopped: the slow ways take the square of the others' time."""

CONTESTANTS = (
    *("growable.Array", "growable.Table", "list + np.array"),
    *("np.append", "doubled by hand", "array.array"),
)
OURS = CONTESTANTS[:2]

Progress: TypeAlias = Callable[[int, int], None]
Runs: TypeAlias = dict[str, list[race.Run]]

# A list of arrays, each an object with a header, and the array made of them.
_LIST_OVERHEAD = 150


def run(options: argparse.Namespace, progress: Progress) -> int:
    """Run the command and return its exit status."""
    if importlib.util.find_spec("numpy") is None:
        raise CommandError(
            "--array needs NumPy, which is not installed.\n"
            "Install it with:  python -m pip install numpy"
        )
    console = None if options.json else report.open_console()
    rounds = options.rounds or DEFAULT_ROUNDS
    with ExitStack() as stack:
        source = _input(options, stack)
        _check_possible(source)
        outcome = make_outcome(source, rounds, _race(source, rounds, progress))
    if console is None:
        report.print_json(outcome)
    else:
        array_text.show(console, outcome)
    return 0 if outcome["ok"] else 1


def _input(options: argparse.Namespace, stack: ExitStack) -> Rows:
    every = options.every or DEFAULT_EVERY
    if len(options.files) > 1:
        raise CommandError("--array takes one CSV file")
    if options.files:
        path = Path(options.files[0])
        return open_rows(path, report.printable(options.files[0]), options.rows, every)
    path = Path(stack.enter_context(tempfile.TemporaryDirectory()), "trades.csv")
    write_csv(path)
    return open_rows(path, "trades.csv, written for this", options.rows or DEFAULT_ROWS, every)


def _check_possible(source: Rows) -> None:
    """Refuse before any work what would drive the machine out of memory."""
    needed = source.rows * (2 * source.row_bytes + _LIST_OVERHEAD)
    available = available_memory()
    if available is not None and needed > available:
        raise CommandError(
            f"{source.rows:,} rows need about {size_text(needed)} of memory as a list of arrays,\n"
            f"and {size_text(available)} are available: give a smaller --rows"
        )


def _race(source: Rows, rounds: int, progress: Progress) -> Runs:
    order = race.schedule(CONTESTANTS, rounds)
    runs: Runs = {name: [] for name in CONTESTANTS}
    for turn, name in enumerate(order):
        done = turn * source.rows

        def advance(count: int) -> None:
            nonlocal done
            done += count
            progress(done, len(order) * source.rows)

        plan = {"contestant": name, "source": asdict(source), "limit": LIMIT}
        runs[name].append(race.run_child("growable.cli.array_measure", plan, advance))
        progress((turn + 1) * source.rows, len(order) * source.rows)
    return runs


def make_outcome(source: Rows, rounds: int, runs: Runs) -> dict[str, Any]:
    """Return one document of the results: what ``--json`` prints."""
    checks = _checks(runs)
    return {
        "growable": package_version(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": sysconfig.get_platform(),
        "input": {
            "description": source.description,
            "columns": list(source.names),
            "file_rows": source.file_rows,
            "rows": source.rows,
            "row_bytes": source.row_bytes,
            "every": source.every,
            "averaged": source.names[source.column],
        },
        "rounds": rounds,
        "limit_seconds": LIMIT,
        "contestants": [_summary(name, source, runs[name]) for name in CONTESTANTS],
        "checks": checks,
        "ok": all(check["ok"] for check in checks),
    }


def _summary(name: str, source: Rows, runs: Sequence[race.Run]) -> dict[str, Any]:
    done = [run for run in runs if "error" not in run]
    rows = _median(done, "rows")
    seconds = _median(done, "append_seconds")
    return {
        "name": name,
        "error": next((run["error"] for run in runs if "error" in run), None),
        "rows": rows,
        "stopped": bool(done) and any(run["rows"] < source.rows for run in done),
        "rows_per_second": rows / seconds if rows and seconds else None,
        "last_average_seconds": _median(done, "last_average_seconds"),
        "worst_pause_seconds": _median(done, "worst_pause"),
        "peak_memory_bytes": _median(done, "peak_memory"),
        "first_view": done[0]["first_view"] if done else None,
        "mean": done[0]["mean"] if done else None,
        "runs": done,
    }


def _median(runs: Sequence[race.Run], key: str) -> float | None:
    values = [run[key] for run in runs if run[key] is not None]
    return statistics.median(values) if values else None


def _checks(runs: Runs) -> list[dict[str, Any]]:
    """Return every check, true only when it held in every run. A peer's failure is none of ours."""
    checks = {f"{name}: ran": all("error" not in run for run in runs[name]) for name in OURS}
    for name, each in runs.items():
        for run in each:
            for what, held in run.get("checks", ()):
                key = f"{name}: {what}"
                checks[key] = checks.get(key, True) and held
    for name in OURS:
        live = all(run.get("first_view", "live") == "live" for run in runs[name])
        checks[f"{name}: first view is live"] = live
    return [{"name": name, "ok": held} for name, held in checks.items()]
