"""The runs of the demo: in which order, each in a process of its own.

What a reader would get wrong: the order is not for looks. Every round starts with another
contestant, and before each run memory is touched that it may get.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from growable.bench.memory import WARM_FROM
from growable.cli import report
from growable.cli.report import CommandError
from growable.cli.source import Input, pieces

Run: TypeAlias = dict[str, Any]
Advance: TypeAlias = Callable[[int], None]

SMALL_PAGES = "no huge pages"
CONTESTANTS = ("Buffer", SMALL_PAGES, "bytearray", "io.BytesIO", "list + join")

# -P keeps the current folder's files from standing in for modules. Where this package was found is
# added at the end, for a parent that found it by other means than the child will.
_BOOTSTRAP = """\
import importlib, sys
sys.path.append(sys.argv[1])
sys.exit(importlib.import_module(sys.argv[2]).child())
"""


@dataclass
class Results:
    """What came of all the runs. A failed run has an ``error`` and nothing else."""

    digest: str
    refusal: Run
    runs: dict[str, list[Run]]


def race(source: Input, rounds: int, numpy: str, progress: Callable[[int, int], None]) -> Results:
    """Run every contestant `rounds` times.

    Parameters
    ----------
    source : Input
        What they all keep.
    rounds : int
        How often each runs.
    numpy : str
        "yes", "no" or "auto": whether Buffer's run holds a NumPy view.
    progress : callable
        Called with the bytes streamed so far, and in all.
    """
    from growable.bench.backing import warm_up  # other commands need none of the benchmarks

    order = schedule(CONTESTANTS, rounds)
    total, done = source.size * (1 + len(order)), 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total)

    digest = _digest(source, advance)
    results = Results(digest, _run_child("refusal", source, numpy, advance), {})
    for name in order:
        if source.size >= WARM_FROM:
            warm_up(2 * source.size)
        results.runs.setdefault(name, []).append(_run_child(name, source, numpy, advance))
    return results


def schedule(contestants: Sequence[str], rounds: int) -> list[str]:
    """Return the order of the runs: each round starts with another contestant."""
    order: list[str] = []
    for turn in range(rounds):
        at = turn % len(contestants)
        order += [*contestants[at:], *contestants[:at]]
    return order


def _digest(source: Input, advance: Advance) -> str:
    state = hashlib.blake2b()
    try:
        for piece in pieces(source):
            state.update(piece)
            advance(len(piece))
    except OSError as error:
        raise CommandError(f"cannot read the input: {error}") from None
    return state.hexdigest()


def _run_child(name: str, source: Input, numpy: str, advance: Advance) -> Run:
    """Run one contestant in a process of its own. A failed run is a result with an ``error``."""
    plan = {
        "contestant": "Buffer" if name == SMALL_PAGES else name,
        "huge_pages": "auto" if name != SMALL_PAGES else False,
        "source": asdict(source),
        "numpy": numpy,
    }
    return run_child("growable.cli.measure", plan, advance)


def run_child(module: str, plan: Run, advance: Advance) -> Run:
    """Carry out a plan with ``child()`` of a module, in a process of its own; return its result."""
    root = str(Path(__file__).resolve().parents[2])
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _BOOTSTRAP, root, module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    with process:
        try:
            return _follow(process, plan, advance)
        except BaseException:
            process.kill()
            raise


def _follow(process: subprocess.Popen[str], plan: Run, advance: Advance) -> Run:
    if process.stdin is None or process.stdout is None:
        raise AssertionError("both are pipes")
    with suppress(BrokenPipeError):  # It died at once; its last words say why.
        process.stdin.write(json.dumps(plan))
        process.stdin.close()
    last_words = ""
    for line in process.stdout:
        message = _message(line)
        if "progress" in message:
            advance(message["progress"])
        elif "result" in message:
            result: Run = message["result"]
            return result
        else:
            last_words = message.get("error", line.strip()) or last_words
    status = process.wait()
    if status == report.EXIT_INTERRUPTED:
        raise KeyboardInterrupt
    if status < 0:
        last_words = f"ended by signal {-status}" + (" (out of memory?)" if status == -9 else "")
    return {"error": last_words or f"ended with status {status}"}


def _message(line: str) -> Run:
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}
