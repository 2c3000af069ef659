"""`growable demo --array`: what it checks, what it refuses, how it ends."""

from __future__ import annotations

import json
import math
import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("numpy")

import cli_support
import numpy as np
from cli_support import check_interrupted, check_needs_rich, check_reader_goes_away, without
from growable.cli import array_demo, array_measure, main, race
from growable.cli.array_source import Rows, open_rows, read_csv, repeat, write_csv
from growable.cli.report import CommandError

run = partial(cli_support.run, "demo", "--array")
run_json = partial(cli_support.run_json, "demo", "--array")
NAMES = [
    *("growable.Array", "growable.Table", "list + np.array"),
    *("np.append", "doubled by hand", "array.array"),
]


def by_name(outcome: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in outcome["contestants"]}


@pytest.fixture
def table_file(tmp_path: Path) -> Path:
    path = tmp_path / "input.csv"
    rows = "".join(f"{n},name {n},{n / 4},{n * n}\n" for n in range(500))
    path.write_text("n,who,quarter,square\n" + rows, encoding="utf-8")
    return path


@pytest.fixture
def source(tmp_path: Path) -> Rows:
    path = tmp_path / "three.csv"
    path.write_text("a,b\n1,2\n3,4\n5,6\n", encoding="ascii")
    return open_rows(path, "three rows", 100, 10)


# What it does


def test_a_table_of_its_own_by_default() -> None:
    outcome = run_json("--rows", "3000", "--every", "500")
    assert outcome["ok"] is True
    assert outcome["input"]["columns"] == ["price", "size", "bid", "ask", "seconds"]
    assert outcome["input"]["rows"] == 3000
    assert outcome["input"]["averaged"] == "price"
    found = by_name(outcome)
    assert list(found) == NAMES
    for each in found.values():
        assert each["error"] is None
        assert each["rows"] == 3000
        assert each["rows_per_second"] > 0
        assert each["last_average_seconds"] > 0
        assert each["worst_pause_seconds"] > 0
        assert each["mean"] == pytest.approx(found["growable.Array"]["mean"])
        assert not each["stopped"]
    assert [found[name]["first_view"].partition(":")[0] for name in NAMES] == [
        *("live", "live", "stale", "stale", "stale", "BufferError")
    ]
    checks = [check["name"] for check in outcome["checks"]]
    for name in NAMES:
        assert f"{name}: contents" in checks
    for name in NAMES[:2]:
        assert f"{name}: first view: same address" in checks
        assert f"{name}: first view is live" in checks


def test_a_named_file(table_file: Path) -> None:
    outcome = run_json(str(table_file), "--every", "100")
    assert outcome["ok"] is True
    assert outcome["input"]["columns"] == ["n", "quarter", "square"]
    assert outcome["input"]["file_rows"] == outcome["input"]["rows"] == 500
    assert by_name(outcome)["growable.Table"]["mean"] == 249.5


@pytest.mark.parametrize("rows", [1, 9, 10, 11, 12, 499, 1001])
def test_repeated_or_cut(table_file: Path, rows: int) -> None:
    outcome = run_json(str(table_file), "--rows", str(rows), "--every", "10")
    assert outcome["ok"] is True
    for each in outcome["contestants"]:
        assert each["rows"] == rows
    if rows >= 12:
        assert by_name(outcome)["array.array"]["first_view"].startswith("BufferError: ")


def test_a_table_that_scikit_learn_ships() -> None:
    sklearn = pytest.importorskip("sklearn")
    path = Path(sklearn.__file__).parent / "datasets" / "data" / "wine_data.csv"
    outcome = run_json(str(path), "--rows", "2000")
    assert outcome["input"]["file_rows"] == 178
    assert len(outcome["input"]["columns"]) == 14


def test_rounds(table_file: Path) -> None:
    outcome = json.loads(run(str(table_file), "--json", "--rounds", "2").stdout)
    assert outcome["rounds"] == 2
    assert [len(each["runs"]) for each in outcome["contestants"]] == [2] * len(NAMES)


def test_slow_ways_are_stopped(source: Rows) -> None:
    result = array_measure.run_holder("np.append", replace(source, rows=10**6), 0.2)
    assert 10 < result.rows < 10**6
    assert dict(result.checks) == {"contents": True}


@pytest.mark.parametrize("name", NAMES)
def test_a_run(name: str, source: Rows) -> None:
    result = array_measure.run_holder(name, source, 60.0)
    assert result.rows == 100
    assert all(held for _, held in result.checks)
    assert result.mean == pytest.approx(np.tile([1, 3, 5], 34)[:100].mean())


def test_a_view_elsewhere_is_noticed() -> None:
    first, other = np.array([1.0, 2.0]), np.array([1.0, 2.0])
    assert array_measure._writes_are_seen(first, first)
    assert not array_measure._writes_are_seen(first, other)


# CSV files


def test_written_file(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv")
    write_csv(tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    names, rows = read_csv(tmp_path / "a.csv")
    assert names == ("price", "size", "bid", "ask", "seconds")
    assert len(rows) == 20_000
    assert all(bid < price < ask for price, _, bid, ask, _ in rows)


@pytest.mark.parametrize(
    ("text", "names", "rows"),
    [
        ("1,2\n3,4\n", ("column 1", "column 2"), [(1, 2), (3, 4)]),
        ("a,b\n1,2\n", ("a", "b"), [(1, 2)]),
        ("a,b,c\nx,2,\n", ("b", "c"), [(2, math.nan)]),
        ("3,2,of,iris\n1,2\n3,4\n", ("column 1", "column 2"), [(1, 2), (3, 4)]),
        ("a,a\n1,2\n", ("a 1", "a 2"), [(1, 2)]),
        ("\ufeffa\n\n1e3\n\n", ("a",), [(1000,)]),
        ('"x, y",z\n"1",-inf\n', ("x, y", "z"), [(1, -math.inf)]),
    ],
)
def test_files(tmp_path: Path, text: str, names: Any, rows: Any) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text, encoding="utf-8")
    found, values = read_csv(path)
    assert found == names
    assert np.array_equal(values, rows, equal_nan=True)


def test_the_column_averaged_has_no_gaps(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n,4\n", encoding="utf-8")
    source = open_rows(path, "x", 5, 1)
    assert source.column == 1
    assert list(repeat(source)) == [0, 1, 0, 1, 0]


@pytest.mark.parametrize(
    "text", ["", "\n\n", "a,b\n", "a,b\nx,y\n", "a,b\n1,2\n3\n", "a,b\n1,2\n3,x\n", "a\n1\n\xff"]
)
def test_files_that_are_no_tables(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(CommandError, match="cannot read") as caught:
        open_rows(path, "x", None, 1)
    assert repr(str(path)) in str(caught.value)
    done = run(str(path))
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--array", "--json", str(tmp_path / "none")]) == 2
    assert "cannot read" in capsys.readouterr().err
    assert main(["demo", "--array", "--json", str(tmp_path)]) == 2


# How it looks


def test_text_fits_80_columns(table_file: Path) -> None:
    pytest.importorskip("rich")
    done = run(str(table_file), "--rows", "5000", "--rounds", "1")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= 80
    for word in (*NAMES, "rows/s", "average", "BufferError", "stale", "live", "checks held"):
        assert word in done.stdout


def test_text_in_ascii(tmp_path: Path) -> None:
    pytest.importorskip("rich")
    path = tmp_path / "\N{GREEK SMALL LETTER PI}.csv"
    path.write_text("\N{GREEK SMALL LETTER PI}\n3.14\n2.72\n", encoding="utf-8")
    done = run(str(path), "--rounds", "1", "--rows", "50", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()


def test_progress_bar(table_file: Path) -> None:
    pytest.importorskip("rich")
    done = run(str(table_file), "--progress", "--json", "--rounds", "1")
    assert done.returncode == 0
    assert "streaming" in done.stderr
    assert json.loads(done.stdout)["ok"] is True


# What it refuses


@pytest.mark.parametrize(
    "words",
    [
        ["--rows", "0"],
        ["--rows", "-1"],
        ["--rows", "many"],
        ["--every", "0"],
        ["--size", "1MiB"],
        ["--chunk", "1KiB"],
        ["--numpy"],
        ["--no-numpy"],
    ],
)
def test_bad_usage(words: list[str]) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert words[0].replace("no-", "") in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--rows", "--every"])
def test_only_with_array(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--json", option, "5"]) == 2
    assert f"{option} can be given only with --array" in capsys.readouterr().err


def test_two_files(table_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--array", "--json", str(table_file), str(table_file)]) == 2
    assert "one CSV file" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/meminfo")
def test_more_than_memory_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--array", "--json", "--rows", str(10**12)]) == 2
    assert "smaller --rows" in capsys.readouterr().err


def test_without_numpy(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["demo", "--array", "--json"]) == 2
    assert "pip install numpy\n" in capsys.readouterr().err


def test_without_rich(table_file: Path, tmp_path: Path) -> None:
    variables = without(tmp_path, "rich")
    check_needs_rich(run(str(table_file), **variables))
    assert run_json(str(table_file), "--rows", "50", **variables)["ok"] is True


# How it fails


def test_a_run_that_dies(
    table_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    monkeypatch.setattr(race, "_BOOTSTRAP", "raise SystemExit('no luck today')")
    assert main(["demo", "--array", "--rounds", "1", str(table_file)]) == 1
    shown = capsys.readouterr().out
    assert "CHECK FAILED: growable.Array: ran" in shown
    assert "np.append failed: no luck today" in shown


def test_a_peer_that_fails_fails_no_check(
    table_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_child = race.run_child

    def without_peers(module: str, plan: Any, advance: Any) -> dict[str, Any]:
        if plan["contestant"].startswith("growable."):
            return run_child(module, plan, advance)
        return {"error": "MemoryError: full"}

    monkeypatch.setattr(race, "run_child", without_peers)
    assert main(["demo", "--array", "--rounds", "1", "--json", str(table_file)]) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert by_name(outcome)["np.append"]["error"] == "MemoryError: full"
    assert by_name(outcome)["np.append"]["rows"] is None


def test_wrong_rows_fail(
    table_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    run_child = race.run_child

    def wrong(module: str, plan: Any, advance: Any) -> dict[str, Any]:
        result = run_child(module, plan, advance)
        result["checks"] = [(name, name != "contents") for name, _ in result["checks"]]
        return result

    monkeypatch.setattr(race, "run_child", wrong)
    assert main(["demo", "--array", "--rounds", "1", str(table_file)]) == 1
    assert "CHECK FAILED: growable.Table: contents" in capsys.readouterr().out


def test_a_stale_first_view_fails() -> None:
    runs: Any = {name: [{"checks": [], "first_view": "live"}] for name in NAMES}
    assert all(check["ok"] for check in array_demo._checks(runs))
    runs["growable.Table"][0]["first_view"] = "stale"
    failed = [check["name"] for check in array_demo._checks(runs) if not check["ok"]]
    assert failed == ["growable.Table: first view is live"]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_interrupted() -> None:
    check_interrupted("demo", "--array", "--json", "--rows", "2000000", after=1.5)


def test_reader_that_goes_away(table_file: Path) -> None:
    pytest.importorskip("rich")
    check_reader_goes_away("demo", "--array", str(table_file), "--rounds", "1")
