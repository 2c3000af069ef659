"""`growable bench`: cells that are measured, wrong bytes that end it, and what it writes."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_support import run, without
from growable.bench import contestants, measure, tables
from growable.bench.contestants import BACKGROUND, OURS, REFERENCE
from growable.bench.plan import SMOKE, Appends, Cell
from growable.bench.runner import (
    ChildError,
    Runner,
    WrongResult,
    one_life,
    turns_share_processor,
)

BOTH = (REFERENCE, OURS)
CELL = ("bench", "--smoke", "--total", "64KiB", "--chunk", "4KiB")
SMALL = (*CELL, "--with", "Buffer", "--with", "io.BytesIO", "--with", "pyarrow")

# What the interpreter of every child imports by itself, when it is found on PYTHONPATH.
_DISTURBED = """
import dataclasses
from growable.bench import contestants
row = contestants.CONTESTANTS[{name!r}]
way = row.make()
def fill(stream, total):
    {body}
contestants.CONTESTANTS[{name!r}] = dataclasses.replace(
    row, make=lambda: dataclasses.replace(way, fill=fill)
)
"""


def disturbed(folder: Path, name: str, body: str) -> dict[str, str]:
    """Return variables under which a contestant's fill is another one."""
    text = _DISTURBED.format(name=name, body=body)
    (folder / "sitecustomize.py").write_text(text)
    search = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return {"PYTHONPATH": search}


def note(_seconds: float) -> None:
    pass


def test_first_life_and_second() -> None:
    first, second = measure.measure_cell(Cell("first", 1 << 20, 1 << 16, BOTH, 2), SMOKE, note)
    assert (first["mode"], second["mode"]) == ("first", "second")
    assert first["left_out"] == {}
    for row in (first, second):
        assert set(row["contestants"]) == set(BOTH)
        for found in row["contestants"].values():
            assert found["ns"]["count"] == len(found["samples_ns"]) == SMOKE.rounds
            assert found["ns"]["least"] > 0
        assert row["contestants"][REFERENCE]["ratio"]["median"] == 1
    if sys.platform.startswith("linux"):
        assert 0.5 < first["contestants"][OURS]["peak_over_payload"] < 4
        assert first["contestants"][REFERENCE]["page_faults"] > 100
    assert second["contestants"][OURS]["peak_over_payload"] is None


def test_steady_state() -> None:
    (row,) = measure.measure_cell(Cell("steady", 1 << 16, 1 << 12, BOTH), SMOKE, note)
    assert row["mode"] == "steady"
    assert set(row["contestants"]) == set(BOTH)


def test_latency() -> None:
    row = measure.measure_latency(Appends(1 << 20, 1 << 10, BOTH), SMOKE, note)
    for found in row["contestants"].values():
        filtered = found["filtered"]
        assert 0 < filtered["p50"] <= filtered["p99.99"] <= filtered["max"]
        assert filtered["max"] <= found["worst_ns"]["least"]
        assert max(worst for _, worst in found["curve"]) == filtered["max"]


def test_memory_over_time() -> None:
    row = measure.measure_memory(Appends(4 << 20, 1 << 16, BOTH), note)
    for found in row["contestants"].values():
        assert len(found["series"]) > 60
        if sys.platform.startswith("linux"):
            assert max(resident for _, resident in found["series"]) > 2 << 20


@pytest.mark.parametrize("life", ["16 bytes", "memoryview"])
def test_short_lives(life: str) -> None:
    row = measure.measure_life(life, SMOKE, note)
    assert {OURS, REFERENCE, "bytearray again"} == set(row["contestants"])


def test_many_buffers_and_threads() -> None:
    assert set(measure.measure_live(100, SMOKE, note)["contestants"]) == set(BOTH)
    assert set(measure.measure_threads(3, SMOKE, note)["contestants"]) == set(BOTH)


@pytest.mark.parametrize("at", ["0", "len(contents) // 2", "-1"])
@pytest.mark.parametrize("name", [REFERENCE, OURS, "io.BytesIO"])
def test_wrong_bytes_end_the_run(
    name: str, at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = f"contents = bytearray().join(stream); contents[{at}] ^= 1; return contents"
    for variable, value in disturbed(tmp_path, name, body).items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(WrongResult, match=f"{name}: other bytes"):
        measure.measure_cell(Cell("first", 1 << 20, 1 << 16, (REFERENCE, name)), SMOKE, note)
    with pytest.raises(WrongResult, match=f"{name}: other bytes"):
        measure.measure_cell(Cell("steady", 1 << 12, 1 << 6, (REFERENCE, name)), SMOKE, note)


def test_wrong_result_is_an_exit_status(tmp_path: Path) -> None:
    variables = disturbed(tmp_path, "io.BytesIO", "return b''.join(stream)[:-1]")
    done = run(*SMALL, **variables)
    assert done.returncode == 1
    assert "WRONG RESULT: io.BytesIO: 65535 items instead of 65536 bytes" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_peer_may_fail_and_is_left_out(tmp_path: Path) -> None:
    variables = disturbed(tmp_path, "io.BytesIO", "raise MemoryError('no more')")
    done = run(*SMALL, **variables)
    assert done.returncode == 0, done.stderr
    assert "io.BytesIO: failed: MemoryError: no more (64 KiB by 4 KiB)" in done.stdout


def test_buffer_may_not_fail(tmp_path: Path) -> None:
    variables = disturbed(tmp_path, OURS, "raise MemoryError('no more')")
    done = run(*SMALL, **variables)
    assert done.returncode == 1
    assert "growable: Buffer: failed: MemoryError: no more" in done.stderr


def test_results(tmp_path: Path) -> None:
    done = run(*SMALL, "--json", "--output", str(tmp_path / "results"))
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    written = (tmp_path / "results" / "own.json").read_text()
    assert json.loads(written) == document
    page = (tmp_path / "results" / "own.md").read_text()
    assert page == tables.markdown(document)
    listed = {name for name in contestants.CONTESTANTS if f"* {name}: " in page}
    assert listed == {*document["cells"][0]["contestants"], *document["missing"]}
    assert "64 KiB by 4 KiB" in page
    assert [(row["mode"], row["run"]) for row in document["cells"]] == [
        ("steady", 0),
        ("first", 0),
    ]


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    words = (*SMALL, "--output", str(tmp_path), "--json")
    whole = json.loads(run(*words).stdout)
    assert whole["done"] == ["steady, 64 KiB by 4 KiB", "first, 64 KiB by 4 KiB"]
    done = run(*words, "--resume")
    assert (done.returncode, "is complete" in done.stderr) == (2, True)

    begun = {**whole, "complete": False, "done": whole["done"][:1], "cells": whole["cells"][:1]}
    (tmp_path / "own.json").write_text(json.dumps(begun))
    done = run(*words, "--resume")
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout)
    assert again["done"] == whole["done"]
    assert again["cells"][0] == whole["cells"][0]
    assert again["cells"][1] != whole["cells"][1]
    assert again["complete"]

    (tmp_path / "own.json").write_text(json.dumps({**begun, "rounds": 99}))
    done = run(*words, "--resume")
    assert (done.returncode, "was another one" in done.stderr) == (2, True)


def test_nothing_private_is_in_the_results() -> None:
    done = run(*SMALL, "--json")
    assert done.returncode == 0, done.stderr
    here = [str(Path.home()), str(Path(__file__).parents[1]), sys.prefix]
    names = [name for name in (platform.node(), os.environ.get("USER")) if name and len(name) > 5]
    for private in (*here, *names):
        if len(private) > 1:
            assert private not in done.stdout, private


def test_peers_that_are_not_installed_are_named(tmp_path: Path) -> None:
    done = run(*SMALL, **without_finding(tmp_path, "pyarrow"))
    assert done.returncode == 0, done.stderr
    assert "Left out: pyarrow is not installed." in done.stdout


def without_finding(folder: Path, module: str) -> dict[str, str]:
    variables = disturbed(folder, REFERENCE, "return bytearray().join(stream)")
    with (folder / "sitecustomize.py").open("a") as file:
        file.write(
            "import importlib.util\n"
            "find = importlib.util.find_spec\n"
            f"importlib.util.find_spec = lambda name: None if name == {module!r} else find(name)\n"
        )
    return variables


def test_without_rich_and_matplotlib(tmp_path: Path) -> None:
    done = run(*SMALL, "--output", str(tmp_path / "out"), **without(tmp_path, "rich", "matplotlib"))
    assert done.returncode == 0, done.stderr
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == ["own.json", "own.md"]


def test_everybody_takes_part() -> None:
    done = run(*CELL, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    for row in document["cells"]:
        missing = set(document["missing"])
        assert set(row["contestants"]) | missing >= {*contestants.CONTESTANTS} - {
            contestants.FLOOR,
            contestants.TIMER,
        }


def test_progress() -> None:
    pytest.importorskip("rich")
    done = run(*SMALL, "--progress")
    assert done.returncode == 0, done.stderr
    assert "100%" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--total", "1KiB"), "go together"),
        (("--total", "1KiB", "--chunk", "2KiB"), "larger than every --total"),
        (("--total", "1000TiB", "--chunk", "2KiB"), "too much here"),
        (("--total", "nothing", "--chunk", "2KiB"), "size must be bytes"),
        (("--runs", "0"), "from 1 to 100"),
        (("--resume",), "--resume needs --output"),
        (("--with", "nobody"), "no contestant 'nobody'; there are: 'bytearray', 'Buffer'"),
    ],
)
def test_usage(words: tuple[str, ...], message: str) -> None:
    done = run("bench", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_held_until_asked_again() -> None:
    """What a first life is to find backed stays resident, private, until it is asked for nothing."""

    def anonymous(pid: int) -> int:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return int(re.search(r"^Anonymous:\s+(\d+) kB", text, re.MULTILINE)[1])  # type: ignore[index]

    with Runner({"work": "hold", "size": 32 << 20}) as runner:
        before = anonymous(runner.pid)
        runner.run(1)
        assert anonymous(runner.pid) >= before + (32 << 10)
        runner.run(0)
        assert anonymous(runner.pid) < before + (32 << 10)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells a process where it may run")
@pytest.mark.parametrize("contestant", [REFERENCE, OURS, BACKGROUND])
def test_turns_are_taken_on_one_processor(contestant: str) -> None:
    ours = os.sched_getaffinity(0)
    plan = {"work": "fill", "contestant": contestant, "total": 4096, "chunk": 64}
    with Runner(plan) as runner:
        runner.run()
        allowed = os.sched_getaffinity(runner.pid)
    assert allowed == (ours if contestant == BACKGROUND else {max(ours)})
    assert os.sched_getaffinity(0) == ours


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells a process where it may run")
def test_a_sandbox_may_refuse_the_one_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "not permitted")

    assert turns_share_processor()
    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    assert turns_share_processor() == (len(os.sched_getaffinity(0)) == 1)
    monkeypatch.setattr(os, "sched_getaffinity", refuse)
    assert not turns_share_processor()


def test_a_life_begins_when_its_process_is_ready() -> None:
    called: list[int] = []
    plan = {"work": "fill", "contestant": REFERENCE, "total": 4096, "chunk": 64}
    lives = one_life(plan, lives=2, ready=lambda: called.append(1))
    assert (len(lives), called) == (2, [1])


def test_a_child_that_dies_says_how() -> None:
    with pytest.raises(ChildError, match="KeyError"):
        Runner({"work": "fill", "contestant": REFERENCE, "total": 16})
    if hasattr(os, "kill"):
        with Runner({"work": "live", "contestant": OURS, "count": 1}) as runner:
            runner._process.kill()
            with pytest.raises(ChildError, match=r"signal|status"):
                runner.run()


def test_plots(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from growable.bench.plots import draw

    document: dict[str, Any] = {
        "set": "some",
        "latency": [measure.measure_latency(Appends(1 << 18, 1 << 10, BOTH), SMOKE, note)],
        "cells": [
            {"run": 0, **row}
            for total in (1 << 14, 1 << 16)
            for row in measure.measure_cell(Cell("first", total, 1 << 10, BOTH), SMOKE, note)
        ],
        "memory": [measure.measure_memory(Appends(1 << 20, 1 << 16, BOTH), note)],
    }
    names = draw(document, tmp_path)
    assert names == [
        "some-latency-256KiB-by-1KiB.png",
        "some-throughput-first.png",
        "some-memory.png",
    ]
    for name in names:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_perf_is_read() -> None:
    assert measure.perf_count("1234,,instructions:u,100,100.00,,\n") == 1234
    assert measure.perf_count("<not supported>,,instructions:u,0,100.00,,\n") is None
    assert measure.perf_count("") is None


def test_nothing_of_it_is_imported_by_the_package() -> None:
    done = run_python("import growable, sys; print([m for m in sys.modules if 'bench' in m])")
    assert done == "[]"


def run_python(text: str) -> str:
    import subprocess

    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    return done.stdout.strip()
