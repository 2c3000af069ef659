"""Rounds over the contestants, and what is kept of them.

Each function measures one part of a plan and returns plain data, as it goes into the JSON
document. A contestant that cannot take part, or ends with an error, is left out with a line that
says why; one that ends with wrong bytes ends the run.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

from growable.bench import contestants
from growable.bench.backing import BACKED_FROM, Backed, warm_up
from growable.bench.contestants import OURS, REFERENCE
from growable.bench.figures import (
    curve_of,
    fastest_of,
    percentile,
    quiet,
    ratio_of,
    ratios,
    rotation,
    spread_of,
)
from growable.bench.memory import WARM_FROM, available_memory
from growable.bench.plan import Appends, Cell, Plan
from growable.bench.runner import ChildError, Runner, command_of, one_life

__all__ = [
    "FAILED",
    "Note",
    "candidates",
    "measure_cell",
    "measure_instructions",
    "measure_latency",
    "measure_life",
    "measure_live",
    "measure_memory",
    "measure_threads",
    "perf_count",
    "ratio_between",
    "settling_rounds",
]

Row: TypeAlias = dict[str, Any]
Note: TypeAlias = Callable[[float], None]  # takes the seconds that a sample has lasted
Take: TypeAlias = Callable[[int], Row]  # takes the number of the round

FAILED = "failed: "
SETTLING_ROUNDS = 8
LIFE_NAMES = (REFERENCE, OURS)
CURVE_POINTS = 256


def _size_backed(names: Sequence[str], total: int) -> int:
    """Return how much lives touch: a peer may have two copies for a while."""
    has_peers = any(
        not contestants.CONTESTANTS[name].ours and name not in (REFERENCE, contestants.FLOOR)
        for name in names
    )
    return (2 if has_peers else 1) * total + total // 4


def _backed(
    stack: ExitStack, plan: Plan, names: Sequence[str], total: int, least: int = WARM_FROM
) -> Backed:
    wanted = plan.warm_up and total >= least
    return Backed(stack, _size_backed(names, total) if wanted else 0)


def _take_turns(
    takes: Mapping[str, Take], rounds: int, left_out: dict[str, str]
) -> dict[str, list[Row]]:
    """Return every contestant's samples; one that fails is moved to `left_out`."""
    samples: dict[str, list[Row]] = {name: [] for name in takes}
    with quiet():
        for number in range(rounds if takes else 0):
            for name in rotation(list(takes), number):
                if name in left_out:
                    continue
                try:
                    samples[name].append(takes[name](number))
                except ChildError as error:
                    left_out[name] = f"{FAILED}{error}"
    return {name: each for name, each in samples.items() if name not in left_out}


def candidates(cell: Cell | Appends) -> tuple[list[str], dict[str, str]]:
    """Return who takes part, and why the others do not."""
    available = available_memory()
    names, left_out = [], {}
    for name in cell.names:
        why = contestants.missing(name) or contestants.too_much(
            name, cell.total, cell.chunk, available
        )
        if why is None:
            names.append(name)
        else:
            left_out[name] = why
    return names, left_out


# Fills.


def measure_cell(cell: Cell, plan: Plan, note: Note) -> list[Row]:
    """Return the cell's row, and that of the second lives where it has any."""
    names, left_out = candidates(cell)
    rounds = plan.rounds_of(cell)
    if plan.warm_up and cell.mode == "steady" and cell.total >= WARM_FROM and names:
        warm_up(2 * cell.total)
    measured = _steady if cell.mode == "steady" else _first
    samples = measured(cell, names, rounds, plan, left_out, note)
    rows = [_cell_row(cell, "steady" if cell.mode == "steady" else "first", samples, left_out, 0)]
    if cell.lives > 1:
        rows.append(_cell_row(cell, "second", samples, left_out, 1))
    return rows


def _plan_of(cell: Cell | Appends, name: str) -> Row:
    return {"work": "fill", "contestant": name, "total": cell.total, "chunk": cell.chunk}


def _steady(
    cell: Cell,
    names: Sequence[str],
    rounds: int,
    plan: Plan,
    left_out: dict[str, str],
    note: Note,
) -> dict[str, list[Row]]:
    """Each contestant lives in a process of its own, and they take turns.

    In one process the freed memory of one decides how the next one's allocator behaves.
    """
    takes: dict[str, Take] = {}
    with ExitStack() as stack:
        backed = _backed(stack, plan, names, cell.total, BACKED_FROM)
        for name in names:
            try:
                runner = stack.enter_context(Runner(_plan_of(cell, name)))
                repeats = _settle(runner, plan.sample_ns, SETTLING_ROUNDS if plan.warm_up else 1)
            except ChildError as error:
                left_out[name] = f"{FAILED}{error}"
                continue
            takes[name] = _asker(runner, repeats, backed, note)
        return _take_turns(takes, rounds, left_out)


def _settle(runner: Runner, sample_ns: int, rounds: int) -> int:
    """Fill until the allocator has settled; return how many fills make one sample."""
    repeats = 1
    for number in range(rounds):
        elapsed = runner.run(repeats, number)["ns"]
        repeats = max(1, int(sample_ns / max(1.0, elapsed)))
        if number + 1 >= settling_rounds(elapsed, sample_ns):
            break
    return repeats


def settling_rounds(fill_ns: float, sample_ns: int) -> int:
    """Return after how many rounds an allocator has settled: a large fill needs few."""
    return 3 if fill_ns > 50 * sample_ns else SETTLING_ROUNDS


def _asker(runner: Runner, repeats: int, backed: Backed, note: Note) -> Take:
    def take(number: int) -> Row:
        backed.renew()
        answer = runner.run(repeats, number)
        note(answer["ns"] * repeats / 1e9)
        return {"lives": [answer]}

    return take


def _first(
    cell: Cell,
    names: Sequence[str],
    rounds: int,
    plan: Plan,
    left_out: dict[str, str],
    note: Note,
) -> dict[str, list[Row]]:
    with ExitStack() as stack:
        backed = _backed(stack, plan, names, cell.total)

        def taker(name: str) -> Take:
            def take(number: int) -> Row:
                fill = {**_plan_of(cell, name), "memory": True}
                lives = backed.one_life(fill, number, cell.lives)
                note(sum(each["ns"] for each in lives) / 1e9)
                return {"lives": lives}

            return take

        return _take_turns({name: taker(name) for name in names}, rounds, left_out)


def _cell_row(
    cell: Cell,
    mode: str,
    samples: Mapping[str, Sequence[Row]],
    left_out: Mapping[str, str],
    life: int,
) -> Row:
    lives = {name: [each["lives"][life] for each in taken] for name, taken in samples.items()}
    payload = cell.total // cell.chunk * cell.chunk
    peer = [each["ns"] for each in lives.get(REFERENCE, ())]
    found = {}
    for name, taken in lives.items():
        times = [each["ns"] for each in taken]
        peaks = [each["peak"] for each in taken if each["peak"] is not None]
        found[name] = {
            "samples_ns": [round(time) for time in times],
            "ns": spread_of(times),
            "ratio": spread_of(ratios(peer, times)) if peer else None,
            # In a second life what the first one left is counted as if it were the program's own.
            "peak_over_payload": statistics.median(peaks) / payload
            if peaks and mode == "first"
            else None,
            "page_faults": statistics.median(each["faults"] for each in taken),
        }
    return {
        "mode": mode,
        "total": cell.total,
        "chunk": cell.chunk,
        "contestants": found,
        "left_out": dict(left_out),
    }


# Latency.


def measure_latency(wanted: Appends, plan: Plan, note: Note) -> Row:
    """Time each append in first lives, at least as often as the minimum is filtered of."""
    names, left_out = candidates(wanted)
    rounds = max(plan.rounds, plan.filtered)
    fastest: dict[str, array[int]] = {}

    def taker(name: str, backed: Backed) -> Take:
        def take(number: int) -> Row:
            answer = backed.one_life({**_plan_of(wanted, name), "work": "latency"}, number)[0]
            raw: array[int] = answer["raw"]
            if number < plan.filtered:
                fastest[name] = fastest_of([fastest[name], raw] if name in fastest else [raw])
            note(sum(raw) / 1e9)
            ordered = sorted(raw)
            return {"max": ordered[-1], "p99.99": percentile(ordered, 0.9999)}

        return take

    with ExitStack() as stack:
        backed = _backed(stack, plan, names, wanted.total)
        takes = {name: taker(name, backed) for name in names}
        samples = _take_turns(takes, rounds, left_out)
    found = {}
    for name, taken in samples.items():
        found[name] = {
            "worst_ns": spread_of([each["max"] for each in taken]),
            "p99.99_ns": spread_of([each["p99.99"] for each in taken]),
            "filtered": _percentiles(fastest[name]),
            "curve": curve_of(fastest[name], CURVE_POINTS),
        }
    return {
        "total": wanted.total,
        "chunk": wanted.chunk,
        "runs": rounds,
        "filtered_runs": min(plan.filtered, rounds),
        "contestants": found,
        "left_out": left_out,
    }


def _percentiles(samples: Sequence[int]) -> dict[str, int]:
    ordered = sorted(samples)
    shares = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "p99.99": 0.9999}
    found = {name: percentile(ordered, share) for name, share in shares.items()}
    return {**found, "max": ordered[-1]}


# Memory.


def measure_memory(wanted: Appends, note: Note) -> Row:
    """Watch what is resident while a buffer grows. The times in it are not measurements."""
    names, left_out = candidates(wanted)

    def taker(name: str) -> Take:
        def take(number: int) -> Row:
            answer = one_life({**_plan_of(wanted, name), "work": "memory"}, number)[0]
            note(answer["series"][-1][0] / 1e9)
            return answer

        return take

    samples = _take_turns({name: taker(name) for name in names}, 1, left_out)
    return {
        "total": wanted.total,
        "chunk": wanted.chunk,
        "contestants": {name: {"series": taken[0]["series"]} for name, taken in samples.items()},
        "left_out": left_out,
    }


# Short lives, many at once, many threads.


def measure_life(life: str, plan: Plan, note: Note) -> Row:
    """Time short lives, in processes that take turns; bytearray twice, which shows the noise."""
    control = "bytearray again"
    with ExitStack() as stack:
        takes = {}
        for name in (*LIFE_NAMES, control):
            real = REFERENCE if name == control else name
            runner = stack.enter_context(Runner({"work": "life", "contestant": real, "life": life}))
            takes[name] = _plain_asker(runner, plan.lives, note)
        samples = _take_turns(takes, plan.life_rounds, {})
    return {"life": life, **_ratios_of(samples)}


def _plain_asker(runner: Runner, repeats: int, note: Note) -> Take:
    def take(number: int) -> Row:
        answer = runner.run(repeats, number)
        note(answer["ns"] * repeats / 1e9)
        return answer

    return take


def _ratios_of(samples: Mapping[str, Sequence[Row]]) -> Row:
    peer = [each["ns"] for each in samples.get(REFERENCE, ())]
    found = {}
    for name, taken in samples.items():
        times = [each["ns"] for each in taken]
        found[name] = {
            "samples_ns": [round(time, 2) for time in times],
            "ns": spread_of(times),
            "ratio": spread_of(ratios(peer, times)) if peer else None,
        }
    return {"contestants": found}


def _alternating(plans: Mapping[str, Row], rounds: int, repeats: int, note: Note) -> Row:
    """Measure in a new process for each sample."""

    def taker(name: str) -> Take:
        def take(number: int) -> Row:
            with Runner(plans[name]) as runner:
                answer = runner.run(repeats, number)
            note(answer["ns"] * repeats / 1e9)
            return answer

        return take

    left_out: dict[str, str] = {}
    samples = _take_turns({name: taker(name) for name in plans}, rounds, left_out)
    return {**_ratios_of(samples), "samples": samples, "left_out": left_out}


def measure_live(count: int, plan: Plan, note: Note) -> Row:
    """Time so many buffers of 16 bytes that are alive at once, and the memory of each."""
    plans = {
        name: {"work": "live", "contestant": name, "count": count} for name in (REFERENCE, OURS)
    }
    row = _alternating(plans, plan.rounds, max(1, 1000 // count), note)
    for name, taken in row.pop("samples").items():
        # Memory is taken from the system in blocks, so with few buffers it says nothing.
        row["contestants"][name]["bytes_each"] = (
            statistics.median(each["bytes"] for each in taken) if count >= 10_000 else None
        )
    return {"count": count, **row}


def measure_threads(threads: int, plan: Plan, note: Note) -> Row:
    """Time fills in so many threads at once."""
    fills = 64 if plan.warm_up is False else 1024
    plans = {
        name: {
            "work": "threads",
            "contestant": name,
            "threads": threads,
            "total": 64 << 10,
            "chunk": 4 << 10,
            "fills": fills,
        }
        for name in (REFERENCE, OURS)
    }
    row = _alternating(plans, plan.rounds, 1, note)
    del row["samples"]
    return {"threads": threads, "total": 64 << 10, "chunk": 4 << 10, **row}


# Instructions: by the processor's counters where they can be read, else under callgrind.

INSTRUCTION_NAMES = (REFERENCE, OURS, "io.BytesIO")


def measure_instructions(cells: Sequence[tuple[int, int, int]], note: Note) -> Row:
    """Count the instructions of a fill, in steady state; not those of the kernel."""
    count, tool = (_count_by_perf, "perf") if _perf_works() else (_count_by_callgrind, "callgrind")
    if tool == "callgrind" and shutil.which("valgrind") is None:
        return {"tool": None, "cells": [], "left_out": {}}
    found: dict[str, list[float]] = {}
    left_out: dict[str, str] = {}
    for name in INSTRUCTION_NAMES:
        plan = {"work": "instructions", "contestant": name, "cells": [*map(list, cells)]}
        try:
            found[name] = count(plan)
        except (ChildError, OSError) as error:
            left_out[name] = str(error)
        note(5.0)
    rows = []
    for at, (total, chunk, _) in enumerate(cells):
        counts = {name: round(each[at]) for name, each in found.items()}
        peer = counts.get(REFERENCE)
        rows.append(
            {
                "total": total,
                "chunk": chunk,
                "instructions": counts,
                "ratio": {name: round(peer / each, 3) for name, each in counts.items()}
                if peer
                else {},
            }
        )
    return {"tool": tool, "cells": rows, "left_out": left_out}


def _perf_works() -> bool:
    perf = shutil.which("perf")
    if perf is None:
        return False
    command = [perf, "stat", "-x,", "-e", "instructions:u", sys.executable, "-S", "-c", ""]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode == 0 and perf_count(done.stderr) is not None


def perf_count(text: str) -> int | None:
    """Return the count in what `perf stat -x,` wrote, or None where it could not count."""
    for line in text.splitlines():
        fields = line.split(",")
        if len(fields) > 2 and fields[2].startswith("instructions") and fields[0].isdigit():
            return int(fields[0])
    return None


def _count_by_perf(plan: Row) -> list[float]:
    """Count two runs that differ in the number of fills only; their difference is the fills'."""
    found = []
    for total, chunk, repeats in plan["cells"]:
        counts = []
        for times in (1, 1 + 10 * repeats):
            command = command_of({**plan, "cells": [[total, chunk, times]]})
            done = _run_counted(["perf", "stat", "-x,", "-e", "instructions:u", *command])
            counts.append(perf_count(done.stderr))
        few, many = counts
        if few is None or many is None:
            raise ChildError("perf did not count")
        found.append((many - few) / (10 * repeats))
    return found


def _run_counted(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    environment["PYTHONPATH"] = os.pathsep.join(each for each in sys.path if each)
    done = subprocess.run(
        command, env=environment, input="1 0\n", capture_output=True, text=True, check=False
    )
    if done.returncode != 0 or '"wrong": null' not in done.stdout:
        words = (done.stdout + done.stderr).strip().splitlines()
        raise ChildError(words[-1] if words else f"ended with status {done.returncode}")
    return done


def _count_by_callgrind(plan: Row) -> list[float]:
    """Have callgrind begin a new section whenever the C function getppid is called."""
    # Not a virtual environment's link: valgrind would follow it, and the interpreter then not find
    # its packages. So those are named in PYTHONPATH.
    binary = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "callgrind.out")
        _run_counted(
            [
                "valgrind",
                "--tool=callgrind",
                f"--callgrind-out-file={output}",
                "--combine-dumps=yes",
                "--dump-before=getppid",
                *command_of(plan, binary),
            ]
        )
        text = output.read_text("ascii", "replace")
    sections = [int(total) for total in re.findall(r"^totals: ([0-9]+)$", text, re.MULTILINE)]
    if len(sections) != 2 * len(plan["cells"]) + 1:
        raise ChildError("callgrind's output does not have the expected sections")
    return [sections[2 * at + 1] / repeats for at, (_, _, repeats) in enumerate(plan["cells"])]


def ratio_between(row: Mapping[str, Any], faster: str, slower: str) -> float | None:
    """Return how many times less time one needed than the other, or None."""
    found = row["contestants"]
    if faster not in found or slower not in found:
        return None
    return ratio_of(found[slower]["samples_ns"], found[faster]["samples_ns"])
