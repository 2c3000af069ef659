"""Instructions per call of Buffer and bytearray, and of Array and its peers, counted by valgrind.

A count does not depend on what else the machine does, so small differences can be seen that no
clock shows. Every operation is run for two numbers of iterations and only their difference is
used, which takes out starting, warming up and tearing down; the empty loop, counted in the same
way, is then taken off.

What a reader would get wrong: this counts instructions of the process, not of the kernel, and not
time. A page fault or a cache miss costs nothing here.

All operations run in one process under callgrind. It starts a new section of its output whenever
the C function getppid is called, so calling `os.getppid()` is how the script says "from here on".
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path
from types import FunctionType
from typing import Any, TypeAlias

from bench import EXIT_MISSED, EXIT_USAGE, OURS, PEER, heading, print_json, table

Operation: TypeAlias = Callable[[Any, int], None]

FEW, MANY = 20_000, 120_000
WARM_UP = 1_000
LOOP = "empty loop"
SIXTEEN = b"0123456789abcdef"
ONE = b"x"


class CannotRun(Exception):  # noqa: N818
    """Something needed is missing; the message says what."""


# The operations. Each `pass` of the empty loop is part of every one of them.


def empty_loop(kind: type[bytearray], count: int) -> None:
    kind()
    for _ in repeat(None, count):
        pass


def append(kind: type[bytearray], count: int) -> None:
    contents = kind()
    for _ in repeat(None, count):
        contents.append(65)


def add_16(kind: type[bytearray], count: int) -> None:
    contents, piece = kind(), SIXTEEN
    for _ in repeat(None, count):
        contents += piece


def add_1(kind: type[bytearray], count: int) -> None:
    contents, piece = kind(), ONE
    for _ in repeat(None, count):
        contents += piece


def extend_16(kind: type[bytearray], count: int) -> None:
    contents, piece = kind(), SIXTEEN
    for _ in repeat(None, count):
        contents.extend(piece)


def index(kind: type[bytearray], count: int) -> None:
    contents = kind(SIXTEEN)
    for _ in repeat(None, count):
        contents[5]


def view(kind: type[bytearray], count: int) -> None:
    contents = kind(SIXTEEN)
    for _ in repeat(None, count):
        memoryview(contents)


def length(kind: type[bytearray], count: int) -> None:
    contents = kind(SIXTEEN)
    for _ in repeat(None, count):
        len(contents)


def create(kind: type[bytearray], count: int) -> None:
    piece = SIXTEEN
    for _ in repeat(None, count):
        kind(piece)


def create_and_add(kind: type[bytearray], count: int) -> None:
    piece = SIXTEEN
    for _ in repeat(None, count):
        contents = kind()
        contents += piece


# Operations on rows. The peer is named in the title, since it is not always the same.


def append_float(kind: Callable[[], Any], count: int) -> None:
    contents = kind()
    for _ in repeat(None, count):
        contents.append(1.5)


def append_int(kind: Callable[[], Any], count: int) -> None:
    contents = kind()
    for _ in repeat(None, count):
        contents.append(65)


def view_again(source: Any, count: int) -> None:
    for _ in repeat(None, count):
        source.view()


def from_buffer(source: Any, count: int) -> None:
    from numpy import frombuffer

    for _ in repeat(None, count):
        frombuffer(source)


def extend_rows(made: tuple[Callable[[], Any], Any], count: int) -> None:
    kind, piece = made
    contents = kind()
    for _ in repeat(None, count):
        contents.extend(piece)


# Title: the peer's operation, ours, and how many times fewer instructions ours must take.
ROW_OPERATIONS: dict[str, tuple[Operation, Operation, float | None]] = {
    "Array.append(float), array('d')": (append_float, append_float, 3.0),
    "Array.append(int), array('q')": (append_int, append_int, None),
    "Array.view(), np.frombuffer(b)": (from_buffer, view_again, 1.0),
    "Array.extend(16 floats), array('d')": (extend_rows, extend_rows, None),
}


def row_subjects() -> list[tuple[Any, Any]]:
    """Return what each of ROW_OPERATIONS works on, for the peer and for us."""
    from array import array
    from functools import partial

    import numpy as np
    from growable import Array

    row = np.arange(16.0)
    return [
        (partial(array, "d"), Array),
        (partial(array, "q"), partial(Array, dtype=np.int64)),
        (bytearray(8000), Array(np.zeros(1000))),
        ((partial(array, "d"), array("d", row)), (Array, row)),
    ]


OPERATIONS: dict[str, Operation] = {
    LOOP: empty_loop,
    "append(int)": append,
    "+= 16 bytes": add_16,
    "+= 1 byte": add_1,
    "extend(16 bytes)": extend_16,
    "b[5]": index,
    "memoryview(b)": view,
    "len(b)": length,
    "T(16 bytes), destroy": create,
    "T(), += 16 bytes, destroy": create_and_add,
}
TARGETS: dict[str, float | None] = {
    "append(int)": 1.2,
    "+= 16 bytes": 1.7,
    "extend(16 bytes)": 1.8,
    **{name: target for name, (_, _, target) in ROW_OPERATIONS.items()},
}
NAMES = [*OPERATIONS, *ROW_OPERATIONS]


# The process that is counted.


def plan() -> Iterator[tuple[str, str, int]]:
    """Yield the counted sections in order: operation, type, iterations."""
    for name in NAMES:
        for kind in (PEER, OURS):
            yield name, kind, FEW
            yield name, kind, MANY


def own_code(operation: Operation) -> Operation:
    """Return the same function with bytecode of its own, which the interpreter specialises anew."""
    assert isinstance(operation, FunctionType)
    return FunctionType(operation.__code__.replace(), operation.__globals__)


def subjects() -> dict[tuple[str, str], tuple[Operation, Any]]:
    """Return, for each operation and type, the function to run and what to give to it."""
    import growable

    kinds: dict[str, type[bytearray]] = {PEER: bytearray, OURS: growable.Buffer}
    found: dict[tuple[str, str], tuple[Operation, Any]] = {
        (name, kind): (own_code(operation), kinds[kind])
        for name, operation in OPERATIONS.items()
        for kind in kinds
    }
    rows = zip(ROW_OPERATIONS.items(), row_subjects(), strict=True)
    for (name, (peer, ours, _)), (peer_subject, our_subject) in rows:
        found[name, PEER] = own_code(peer), peer_subject
        found[name, OURS] = own_code(ours), our_subject
    return found


def child() -> None:
    ready = subjects()
    gc.disable()
    for operation, argument in ready.values():
        operation(argument, WARM_UP)
    for name, kind, count in plan():
        operation, argument = ready[name, kind]
        os.getppid()
        operation(argument, count)
    os.getppid()


# Counting.

_PROBE = """
import json, os, sys
import growable, growable._core, numpy
from bench import environment
print(json.dumps({
    "binary": os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
    "package": os.path.dirname(os.path.dirname(os.path.abspath(growable.__file__))),
    "core": os.path.dirname(os.path.dirname(os.path.abspath(growable._core.__file__))),
    "numpy": os.path.dirname(os.path.dirname(os.path.abspath(numpy.__file__))),
    "environment": environment(),
}))
"""


def probe(python: str) -> dict[str, Any]:
    """Ask an interpreter for its real binary and for where it finds growable.

    A virtual environment's link does not do: valgrind would follow it and the interpreter would
    not find its packages.
    """
    here = str(Path(__file__).resolve().parent)
    command = [python, "-c", f"import sys; sys.path.insert(0, {here!r})\n{_PROBE}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotRun(f"{python} cannot import growable and numpy:\n{done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    if found["package"] != found["core"]:
        raise CannotRun("growable is installed in editable mode: install it without -e")
    return found


def count_sections(binary: str, path: str) -> list[int]:
    """Run the child under callgrind and return the instructions of each section."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise CannotRun("valgrind is not installed")
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "callgrind.out")
        done = subprocess.run(
            [
                valgrind,
                "--tool=callgrind",
                f"--callgrind-out-file={output}",
                "--combine-dumps=yes",
                "--dump-before=getppid",
                *(binary, "-S", "-B", str(Path(__file__).resolve()), "--child"),
            ],
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise CannotRun(f"the run under valgrind failed:\n{done.stderr.strip()}")
        sections = re.findall(r"^totals: ([0-9]+)$", output.read_text("ascii", "replace"), re.M)
    if len(sections) != len([*plan()]) + 2:
        raise CannotRun("callgrind's output does not have the expected sections")
    return [int(total) for total in sections[1:-1]]


def per_call(sections: list[int]) -> dict[str, dict[str, float]]:
    """Return instructions per iteration, the loop included, by operation and type."""
    totals = dict(zip(plan(), sections, strict=True))
    return {
        name: {
            kind: (totals[name, kind, MANY] - totals[name, kind, FEW]) / (MANY - FEW)
            for kind in (PEER, OURS)
        }
        for name in NAMES
    }


def make_report(where: dict[str, Any], counts: dict[str, dict[str, float]]) -> dict[str, Any]:
    loop = counts.pop(LOOP)
    rows = []
    for name, count in counts.items():
        peer, ours = (count[kind] - loop[kind] for kind in (PEER, OURS))
        target = TARGETS.get(name)
        rows.append(
            {
                "operation": name,
                PEER: round(peer, 2),
                OURS: round(ours, 2),
                "ratio": round(peer / ours, 3),
                "target": target,
                "ok": target is None or peer / ours >= target,
            }
        )
    return {"environment": where, "empty_loop": loop[PEER], "operations": rows}


# The command.


def show(report: dict[str, Any]) -> None:
    print(heading(report["environment"]))
    print(f"Instructions per call, less {report['empty_loop']:.1f} of the empty loop;")
    print(f"ratio = {PEER} / {OURS}, above 1: {OURS} needs fewer.\n")
    rows = []
    for row in report["operations"]:
        verdict = "" if row["target"] is None else "ok" if row["ok"] else "MISSED"
        target = "" if row["target"] is None else f">= {row['target']}"
        rows.append(
            [
                row["operation"],
                f"{row[PEER]:.1f}",
                f"{row[OURS]:.1f}",
                f"{row['ratio']:.2f}",
                target,
                verdict,
            ]
        )
    print(table(["operation", PEER, OURS, "ratio", "target", ""], rows))


def main() -> int:
    parser = argparse.ArgumentParser(description="Count instructions per call under valgrind.")
    parser.add_argument(
        "--python", default=sys.executable, help="the interpreter (default: this one)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--check", action="store_true", help="exit 1 when a target is missed")
    options = parser.parse_args()
    try:
        found = probe(options.python)
        path = os.pathsep.join([found["package"], found["numpy"]])
        sections = count_sections(found["binary"], path)
    except (CannotRun, OSError) as error:
        print(f"instructions.py: {error}", file=sys.stderr)
        return EXIT_USAGE
    report = make_report(found["environment"], per_call(sections))
    if options.json:
        print_json(report)
    else:
        show(report)
    missed = any(not row["ok"] for row in report["operations"])
    return EXIT_MISSED if options.check and missed else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--child"]:
        child()
        sys.exit()
    sys.exit(main())
