"""Instructions per call of Buffer, BytesIO, Array or Table and of their peers, by valgrind.

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
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from types import FunctionType
from typing import Any, TypeAlias

from bench import EXIT_MISSED, EXIT_USAGE, heading, print_json, table

Operation: TypeAlias = Callable[[Any, int], None]

WARM_UP = 1_000
LOOP = "empty loop"
SIXTEEN = b"0123456789abcdef"
ONE = b"x"
LINE = b"0123456789abcde\n"


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


# The same for files in memory. The position goes back where it has to, by a seek that counts too.


def write_16(kind: type[io.BytesIO], count: int) -> None:
    file, piece = kind(), SIXTEEN
    for _ in repeat(None, count):
        file.write(piece)


def write_16_once_viewed(kind: type[io.BytesIO], count: int) -> None:
    file, piece = kind(), SIXTEEN
    file.getbuffer().release()
    for _ in repeat(None, count):
        file.write(piece)


def iterate_once_viewed(kind: type[io.BytesIO], count: int) -> None:
    file = kind()
    file.getbuffer().release()
    file.write(LINE * count)
    file.seek(0)
    for _ in file:
        pass


def overwrite_16(kind: type[io.BytesIO], count: int) -> None:
    file, piece = kind(bytes(1000)), SIXTEEN
    for _ in repeat(None, count):
        file.seek(0)
        file.write(piece)


def write_lines(kind: type[io.BytesIO], count: int) -> None:
    file = kind()
    file.writelines(repeat(SIXTEEN, count))


def read_16(kind: type[io.BytesIO], count: int) -> None:
    file = kind(SIXTEEN * count)
    for _ in repeat(None, count):
        file.read(16)


def read_all(kind: type[io.BytesIO], count: int) -> None:
    file = kind(SIXTEEN)
    for _ in repeat(None, count):
        file.seek(0)
        file.read()


def read_into(kind: type[io.BytesIO], count: int) -> None:
    file, target = kind(SIXTEEN * count), bytearray(16)
    for _ in repeat(None, count):
        file.readinto(target)


def read_line(kind: type[io.BytesIO], count: int) -> None:
    file = kind(LINE * count)
    for _ in repeat(None, count):
        file.readline()


def iterate(kind: type[io.BytesIO], count: int) -> None:
    for _ in kind(LINE * count):
        pass


def read_lines(kind: type[io.BytesIO], count: int) -> None:
    kind(LINE * count).readlines()


def value_again(kind: type[io.BytesIO], count: int) -> None:
    file = kind(bytes(100_000))
    for _ in repeat(None, count):
        file.getvalue()


def write_and_value(kind: type[io.BytesIO], count: int) -> None:
    piece = SIXTEEN
    for _ in repeat(None, count):
        file = kind()
        file.write(piece)
        file.write(piece)
        file.getvalue()


def open_bytes(kind: type[io.BytesIO], count: int) -> None:
    piece = SIXTEEN
    for _ in repeat(None, count):
        kind(piece)


def tell(kind: type[io.BytesIO], count: int) -> None:
    file = kind(SIXTEEN)
    for _ in repeat(None, count):
        file.tell()


# The same for rows. The peer is named in the title, since it is not always the same.


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


# The same for rows of three columns. The values are variables: a tuple of constants would be made
# once and for all.


def append_to_lists(kind: Callable[[], Any], count: int) -> None:
    columns, x, y, n = kind(), 1.5, 2.5, 65
    for _ in repeat(None, count):
        columns["x"].append(x)
        columns["y"].append(y)
        columns["n"].append(n)


def append_by_name(kind: Callable[[], Any], count: int) -> None:
    table, x, y, n = kind(), 1.5, 2.5, 65
    for _ in repeat(None, count):
        table.append(x=x, y=y, n=n)


def append_tuple(kind: Callable[[], Any], count: int) -> None:
    rows, x, y, n = kind(), 1.5, 2.5, 65
    for _ in repeat(None, count):
        rows.append((x, y, n))


def extend_lists(made: tuple[Callable[[], Any], Any], count: int) -> None:
    kind, piece = made
    columns = kind()
    for _ in repeat(None, count):
        for name, values in piece.items():
            columns[name].extend(values)


# What the operations are given, for the peer and for ours, by their titles.

Subjects: TypeAlias = Mapping[str, tuple[Any, Any]]


def buffer_subjects() -> Subjects:
    from growable import Buffer

    return dict.fromkeys(SUITES["Buffer"].operations, (bytearray, Buffer))


def bytesio_subjects() -> Subjects:
    from growable import BytesIO

    return dict.fromkeys(SUITES["BytesIO"].operations, (io.BytesIO, BytesIO))


def array_subjects() -> Subjects:
    from array import array
    from functools import partial

    import numpy as np
    from growable import Array

    row = np.arange(16.0)
    return {
        LOOP: (list, list),
        "append(float), array('d')": (partial(array, "d"), Array),
        "append(int), array('q')": (partial(array, "q"), partial(Array, dtype=np.int64)),
        "view(), np.frombuffer(b)": (bytearray(8000), Array(np.zeros(1000))),
        "extend(16 floats), array('d')": ((partial(array, "d"), array("d", row)), (Array, row)),
    }


def table_subjects() -> Subjects:
    from functools import partial

    import numpy as np
    from growable import Table

    schema = {"x": "f8", "y": "f8", "n": "i8"}
    table = partial(Table, schema)
    values = {"x": [1.5] * 10, "y": [2.5] * 10, "n": [65] * 10}
    arrays = {name: np.array(values[name], dtype) for name, dtype in schema.items()}

    def lists() -> dict[str, list[Any]]:
        return {name: [] for name in schema}

    return {
        LOOP: (list, list),
        "append(x=, y=, n=), dict of lists": (lists, table),
        "append((x, y, n)), list of tuples": (list, table),
        "extend(dict of 3 x 10), dict of lists": ((lists, values), (table, values)),
        "extend(dict of 3 arrays), dict of lists": ((lists, arrays), (table, arrays)),
    }


@dataclass(frozen=True)
class Suite:
    """Operations that are counted for two types, and how many times fewer ours must need.

    A pair of operations is the peer's and ours, where they are not called alike.
    """

    peer: str
    ours: str
    subjects: Callable[[], Subjects]
    operations: Mapping[str, Operation | tuple[Operation, Operation]]
    targets: Mapping[str, float]
    few: int = 20_000
    many: int = 120_000


SUITES = {
    "Buffer": Suite(
        "bytearray",
        "Buffer",
        buffer_subjects,
        {
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
        },
        {"append(int)": 1.2, "+= 16 bytes": 1.7, "extend(16 bytes)": 1.8},
    ),
    "BytesIO": Suite(
        "io.BytesIO",
        "BytesIO",
        bytesio_subjects,
        {
            LOOP: empty_loop,
            "write(16 bytes)": write_16,
            "seek(0), write(16 bytes)": overwrite_16,
            "write(16 bytes), once viewed": write_16_once_viewed,
            "writelines, a line": write_lines,
            "read(16)": read_16,
            "seek(0), read() of 16": read_all,
            "readinto(16)": read_into,
            "readline(), 16 bytes": read_line,
            "for line in f": iterate,
            "for line in f, once viewed": iterate_once_viewed,
            "readlines, a line": read_lines,
            "getvalue()": value_again,
            "T(), 2 writes, getvalue()": write_and_value,
            "T(16 bytes), destroy": open_bytes,
            "tell()": tell,
        },
        {
            "write(16 bytes)": 1.0,
            "seek(0), write(16 bytes)": 1.0,
            "writelines, a line": 1.0,
            "read(16)": 1.0,
            "seek(0), read() of 16": 1.0,
            "readinto(16)": 0.95,
            "readline(), 16 bytes": 1.0,
            "for line in f": 1.0,
            "readlines, a line": 0.95,
            "getvalue()": 1.0,
            "T(), 2 writes, getvalue()": 1.0,
            "T(16 bytes), destroy": 1.0,
            "tell()": 0.95,
        },
    ),
    "Array": Suite(
        "its peer",
        "Array",
        array_subjects,
        {
            LOOP: empty_loop,
            "append(float), array('d')": append_float,
            "append(int), array('q')": append_int,
            "view(), np.frombuffer(b)": (from_buffer, view_again),
            "extend(16 floats), array('d')": extend_rows,
        },
        {"append(float), array('d')": 3.0, "view(), np.frombuffer(b)": 1.0},
    ),
    "Table": Suite(
        "its peer",
        "Table",
        table_subjects,
        {
            LOOP: empty_loop,
            "append(x=, y=, n=), dict of lists": (append_to_lists, append_by_name),
            "append((x, y, n)), list of tuples": append_tuple,
            "extend(dict of 3 x 10), dict of lists": (extend_lists, extend_rows),
            "extend(dict of 3 arrays), dict of lists": (extend_lists, extend_rows),
        },
        {},
        few=1_000,
        many=6_000,
    ),
}


# The process that is counted.


def plan(suite: Suite) -> Iterator[tuple[str, str, int]]:
    """Yield the counted sections in order: operation, type, iterations."""
    for name in suite.operations:
        for kind in (suite.peer, suite.ours):
            yield name, kind, suite.few
            yield name, kind, suite.many


def own_code(operation: Operation) -> Operation:
    """Return the same function with bytecode of its own, which the interpreter specialises anew."""
    assert isinstance(operation, FunctionType)
    return FunctionType(operation.__code__.replace(), operation.__globals__)


def prepare(suite: Suite) -> dict[tuple[str, str], tuple[Operation, Any]]:
    """Return, for each operation and type, the function to run and what to give to it."""
    subjects = suite.subjects()
    ready: dict[tuple[str, str], tuple[Operation, Any]] = {}
    for name, operation in suite.operations.items():
        pair = operation if isinstance(operation, tuple) else (operation, operation)
        for kind, function, subject in zip(
            (suite.peer, suite.ours), pair, subjects[name], strict=True
        ):
            ready[name, kind] = own_code(function), subject
    return ready


def child(suite: Suite) -> None:
    ready = prepare(suite)
    gc.disable()
    for operation, argument in ready.values():
        operation(argument, WARM_UP)
    for name, kind, count in plan(suite):
        operation, argument = ready[name, kind]
        os.getppid()
        operation(argument, count)
    os.getppid()


# Counting.

_PROBE = """
import importlib.util, json, os, sys
import growable, growable._core
from bench import environment
numpy = importlib.util.find_spec("numpy")
print(json.dumps({
    "binary": os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
    "package": os.path.dirname(os.path.dirname(os.path.abspath(growable.__file__))),
    "core": os.path.dirname(os.path.dirname(os.path.abspath(growable._core.__file__))),
    "numpy": numpy and os.path.dirname(os.path.dirname(numpy.origin)),
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
        raise CannotRun(f"{python} cannot import growable:\n{done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    if found["package"] != found["core"]:
        raise CannotRun("growable is installed in editable mode: install it without -e")
    return found


def count_sections(binary: str, path: str, of: str) -> list[int]:
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
                *(binary, "-S", "-B", str(Path(__file__).resolve()), "--child", of),
            ],
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise CannotRun(f"the run under valgrind failed:\n{done.stderr.strip()}")
        sections = re.findall(r"^totals: ([0-9]+)$", output.read_text("ascii", "replace"), re.M)
    if len(sections) != len([*plan(SUITES[of])]) + 2:
        raise CannotRun("callgrind's output does not have the expected sections")
    return [int(total) for total in sections[1:-1]]


def per_call(suite: Suite, sections: list[int]) -> dict[str, dict[str, float]]:
    """Return instructions per iteration, the loop included, by operation and type."""
    totals = dict(zip(plan(suite), sections, strict=True))
    return {
        name: {
            kind: (totals[name, kind, suite.many] - totals[name, kind, suite.few])
            / (suite.many - suite.few)
            for kind in (suite.peer, suite.ours)
        }
        for name in suite.operations
    }


def make_report(
    suite: Suite, where: dict[str, Any], counts: dict[str, dict[str, float]]
) -> dict[str, Any]:
    loop = counts.pop(LOOP)
    rows = []
    for name, count in counts.items():
        peer, ours = (count[kind] - loop[kind] for kind in (suite.peer, suite.ours))
        target = suite.targets.get(name)
        rows.append(
            {
                "operation": name,
                suite.peer: round(peer, 2),
                suite.ours: round(ours, 2),
                "ratio": round(peer / ours, 3),
                "target": target,
                "ok": target is None or peer / ours >= target,
            }
        )
    return {"environment": where, "empty_loop": loop[suite.peer], "operations": rows}


# The command.


def show(suite: Suite, report: dict[str, Any]) -> None:
    print(heading(report["environment"]))
    print(f"Instructions per call, less {report['empty_loop']:.1f} of the empty loop;")
    print(f"ratio = {suite.peer} / {suite.ours}, above 1: {suite.ours} needs fewer.\n")
    rows = []
    for row in report["operations"]:
        verdict = "" if row["target"] is None else "ok" if row["ok"] else "MISSED"
        target = "" if row["target"] is None else f">= {row['target']}"
        rows.append(
            [
                row["operation"],
                f"{row[suite.peer]:.1f}",
                f"{row[suite.ours]:.1f}",
                f"{row['ratio']:.2f}",
                target,
                verdict,
            ]
        )
    print(table(["operation", suite.peer, suite.ours, "ratio", "target", ""], rows))


def main() -> int:
    parser = argparse.ArgumentParser(description="Count instructions per call under valgrind.")
    parser.add_argument(
        "--python", default=sys.executable, help="the interpreter (default: this one)"
    )
    parser.add_argument("--of", choices=SUITES, default="Buffer", help="the type (default: Buffer)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--check", action="store_true", help="exit 1 when a target is missed")
    options = parser.parse_args()
    suite = SUITES[options.of]
    try:
        found = probe(options.python)
        path = os.pathsep.join(filter(None, (found["package"], found["numpy"])))
        sections = count_sections(found["binary"], path, options.of)
    except (CannotRun, OSError) as error:
        print(f"instructions.py: {error}", file=sys.stderr)
        return EXIT_USAGE
    report = make_report(suite, found["environment"], per_call(suite, sections))
    if options.json:
        print_json(report)
    else:
        show(suite, report)
    missed = any(not row["ok"] for row in report["operations"])
    return EXIT_MISSED if options.check and missed else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(SUITES[sys.argv[2]])
        sys.exit()
    sys.exit(main())
