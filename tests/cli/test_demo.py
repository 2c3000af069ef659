"""`growable demo`: what it checks, what it refuses, how it ends."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import cli_support
import pytest
from cli_support import check_interrupted, check_needs_rich, check_reader_goes_away, without
from growable.cli import demo_text, main, measure, race
from growable.cli.picture import COMMITTED, RESERVED, RESIDENT, Picture
from growable.cli.report import CommandError
from growable.cli.source import Input, named_files, pieces, standard_library

MiB = 1 << 20

run = partial(cli_support.run, "demo")
run_json = partial(cli_support.run_json, "demo")


def has_numpy() -> bool:
    try:
        import numpy
    except ImportError:
        return False
    return numpy is not None


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "input.bin"
    path.write_bytes(bytes(range(256)) * 1200)
    return path


# What it does


def test_standard_library_by_default() -> None:
    outcome = run_json("--size", "2MiB", "--chunk", "16KiB")
    assert outcome["ok"] is True
    assert outcome["input"]["bytes"] == 2 * MiB
    assert outcome["input"]["files"] > 100
    assert [each["name"] for each in outcome["contestants"]] == [
        "Buffer",
        "no huge pages",
        "bytearray",
        "io.BytesIO",
        "list + join",
    ]
    for each in outcome["contestants"]:
        assert each["error"] is None
        assert each["contents_ok"] is True
        assert each["bytes_per_second"] > 0
        assert 0 < each["worst_pause_seconds"] <= each["seconds"]
    views = ["memoryview", "numpy"] if has_numpy() else ["memoryview"]
    assert outcome["contestants"][0]["views"] == views
    assert all(check["ok"] for check in outcome["checks"])
    for view in views:
        assert f"{view}: same address" in [check["name"] for check in outcome["checks"]]


def test_bytearray_refuses_to_grow(text_file: Path) -> None:
    refused = run_json(str(text_file))["bytearray_with_view"]
    assert refused["error"] is None
    assert refused["length"] == 64
    assert refused["refusal"] == (
        "BufferError: Existing exports of data: object cannot be re-sized"
    )


def test_named_files_once_in_order(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_bytes(name.encode() * 5000)
    outcome = run_json(*(str(tmp_path / name) for name in "cab"), "--chunk", "999")
    whole = b"c" * 5000 + b"a" * 5000 + b"b" * 5000
    assert outcome["input"]["bytes"] == 15000
    assert outcome["input"]["blake2b"] == hashlib.blake2b(whole).hexdigest()
    assert outcome["storage"]["length"] == 15000


@pytest.mark.parametrize("size", [1, 2, 63, 64, 65, 307200, 307201, 1_000_000])
def test_repeated_or_cut(text_file: Path, size: int) -> None:
    outcome = run_json(str(text_file), "--size", str(size))
    contents = (text_file.read_bytes() * 4)[:size]
    assert outcome["input"]["blake2b"] == hashlib.blake2b(contents).hexdigest()
    assert outcome["ok"] is True


def test_storage_is_described(text_file: Path) -> None:
    storage = run_json(str(text_file), "--size", "8MiB")["storage"]
    assert storage["address"] == storage["address_at_start"]
    assert storage["length"] == 8 * MiB <= storage["committed"] <= storage["capacity"]
    if storage["pages"] is not None:
        assert sum(count for _, count in storage["pages"]) >= 8 * MiB // storage["page_size"]
        assert {state for state, _ in storage["pages"]} <= {RESERVED, COMMITTED, RESIDENT}


@pytest.mark.skipif(sys.platform != "linux", reason="reads VmHWM")
def test_peak_memory_is_the_contestants_own(text_file: Path) -> None:
    size = 32 * MiB
    peaks = {
        each["name"]: each["peak_memory_bytes"] / size
        for each in run_json(str(text_file), "--size", str(size))["contestants"]
    }
    assert 0.95 < peaks["bytearray"] < 1.3
    assert 0.95 < peaks["Buffer"] < 1.3
    assert peaks["list + join"] > 1.9


def test_numpy_only_when_wanted(text_file: Path, tmp_path: Path) -> None:
    assert run_json(str(text_file), "--no-numpy")["contestants"][0]["views"] == ["memoryview"]
    absent = without(tmp_path, "numpy")
    assert run_json(str(text_file), **absent)["contestants"][0]["views"] == ["memoryview"]


def test_rounds(text_file: Path) -> None:
    done = run(str(text_file), "--json", "--rounds", "2")
    outcome = json.loads(done.stdout)
    assert outcome["rounds"] == 2
    assert [len(each["runs"]) for each in outcome["contestants"]] == [2] * 5


def test_every_round_starts_with_another() -> None:
    count = len(race.CONTESTANTS)
    order = race.schedule(race.CONTESTANTS, count)
    assert order[::count] == list(race.CONTESTANTS)
    assert sorted(order) == sorted(race.CONTESTANTS * count)


# How it looks


def test_text_fits_80_columns(text_file: Path) -> None:
    pytest.importorskip("rich")
    done = run(str(text_file), "--size", "4MiB")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "no progress bar where stderr is no terminal"
    assert max(map(len, done.stdout.splitlines())) <= 80
    for word in ("throughput", "worst pause", "io.BytesIO", "list + join", "BufferError", "checks"):
        assert word in done.stdout


def test_text_in_ascii(tmp_path: Path) -> None:
    pytest.importorskip("rich")
    path = tmp_path / "\N{GREEK SMALL LETTER PI}.txt"
    path.write_bytes(b"3.14159" * 10000)
    done = run(str(path), "--rounds", "1", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()


def test_progress_bar(text_file: Path) -> None:
    pytest.importorskip("rich")
    done = run(str(text_file), "--progress", "--json", "--rounds", "1")
    assert done.returncode == 0
    assert "streaming" in done.stderr
    assert json.loads(done.stdout)["ok"] is True


def read_to_end(terminal: int, shown: bytearray) -> None:
    """A terminal holds some kilobytes; who writes more to it waits until they are read."""
    with contextlib.suppress(OSError):  # how Linux tells that nobody has the other end
        while data := os.read(terminal, 1 << 16):
            shown.extend(data)


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals")
def test_progress_bar_on_a_terminal(text_file: Path) -> None:
    pytest.importorskip("rich")
    ours, theirs = os.openpty()
    shown = bytearray()
    reader = threading.Thread(target=read_to_end, args=(ours, shown))
    reader.start()
    done = subprocess.run(
        [*cli_support.COMMAND, "demo", str(text_file), "--json", "--rounds", "1"],
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
        stdout=subprocess.PIPE,
        stderr=theirs,
        check=False,
    )
    os.close(theirs)
    reader.join()
    os.close(ours)
    assert done.returncode == 0
    assert b"streaming" in shown
    assert json.loads(done.stdout)["ok"] is True


def test_unsteady_runs_are_named() -> None:
    runs = [{"seconds": 1.0}, {"seconds": 0.1}, {"seconds": 0.9}]
    lines = list(demo_text._spread({"name": "Buffer", "runs": runs}, 10**9))
    assert lines == ["  Unsteady: Buffer's runs went from 1.00 GB/s to 10.00 GB/s."]
    assert not list(demo_text._spread({"name": "Buffer", "runs": runs[::2]}, 10**9))
    assert not list(demo_text._spread({"name": "Buffer", "runs": []}, 10**9))


def test_picture() -> None:
    runs = [[RESERVED, 1], [RESIDENT, 3], [COMMITTED, 4]]
    picture = Picture(runs, 4, "utf-8")
    assert picture.pages_per_cell == 1
    assert picture.rows() == ["\u00b7\u2588\u2588\u2588", "\u2591\u2591\u2591\u2591"]
    assert (picture.count(RESIDENT), picture.count(COMMITTED)) == (3, 4)
    assert Picture(runs, 4, "ascii").rows() == [".###", "----"]
    assert "partly resident" in picture.legend()


def test_picture_scales_to_its_width() -> None:
    picture = Picture([[RESIDENT, 1001], [COMMITTED, 1047]], 16, "ascii")
    assert picture.pages_per_cell == 32
    rows = picture.rows()
    assert len(rows) == 4
    assert rows[1] == "#" * 15 + "+"
    assert Picture([], 16, "ascii").rows() == []


# What it refuses


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "fifo", "nul"])
def test_files_that_are_none(kind: str, text_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad"
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    elif kind == "fifo":
        if not hasattr(os, "mkfifo"):
            pytest.skip("no named pipes here")
        os.mkfifo(path)
    name = "bad\0name" if kind == "nul" else str(path)
    with pytest.raises(CommandError, match="cannot read") as caught:
        named_files([str(text_file), name], None, 1024)
    assert repr(name) in str(caught.value)
    assert caught.value.status == 2
    if kind != "nul":
        done = run(str(text_file), name)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.startswith("growable: cannot read")
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        ["--size", "lots"],
        ["--size", "0"],
        ["--size=-1"],
        ["--chunk", "0"],
        ["--chunk", "1.5"],
        ["--rounds", "0"],
        ["--rounds", "two"],
        ["--nonsense"],
    ],
)
def test_bad_usage(words: list[str]) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert words[0].split("=")[0] in done.stderr
    assert "Traceback" not in done.stderr


def test_more_than_memory_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--json", "--size", "1PiB"]) == 2
    if sys.platform == "linux":
        assert "smaller --size" in capsys.readouterr().err


def test_numpy_wanted_and_absent(
    text_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["demo", "--json", "--numpy", str(text_file)]) == 2
    assert "NumPy" in capsys.readouterr().err


def test_no_library_sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    with pytest.raises(CommandError, match="name a FILE"):
        standard_library(1000, 100)


def test_without_rich(text_file: Path, tmp_path: Path) -> None:
    variables = without(tmp_path, "rich")
    check_needs_rich(run(str(text_file), **variables))
    assert run_json(str(text_file), **variables)["ok"] is True


# How it fails


def test_wrong_contents_fail(
    text_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    monkeypatch.setattr(race, "_digest", lambda source, advance: "0" * 128)
    assert main(["demo", "--rounds", "1", str(text_file)]) == 1
    assert "CHECK FAILED: Buffer: contents" in capsys.readouterr().out


def test_a_run_that_dies(
    text_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    monkeypatch.setattr(race, "_BOOTSTRAP", "raise SystemExit('no luck today')")
    assert main(["demo", "--rounds", "1", str(text_file)]) == 1
    shown = capsys.readouterr().out
    assert "CHECK FAILED: Buffer: ran" in shown
    assert "bytearray failed: no luck today" in shown


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_run_that_is_killed(
    text_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(race, "_BOOTSTRAP", "import os; os.kill(os.getpid(), 9)")
    assert main(["demo", "--rounds", "1", "--json", str(text_file)]) == 1
    outcome = json.loads(capsys.readouterr().out)
    assert outcome["contestants"][0]["error"] == "ended by signal 9 (out of memory?)"
    assert outcome["storage"] is None


def test_only_a_buffer_that_fails_fails_the_demo(
    text_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_child = race._run_child

    def without_peers(name: str, *rest: Any) -> dict[str, Any]:
        ours = name in ("Buffer", race.SMALL_PAGES)
        return run_child(name, *rest) if ours else {"error": "MemoryError: full"}

    monkeypatch.setattr(race, "_run_child", without_peers)
    assert main(["demo", "--rounds", "1", "--json", str(text_file)]) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert outcome["contestants"][2]["error"] == "MemoryError: full"
    assert outcome["contestants"][0]["times_bytearray"] is None


def test_a_view_elsewhere_is_noticed() -> None:
    contents = bytearray(b"abc")
    view = measure.View("memoryview", memoryview(contents), measure._memoryview_address)
    assert view.address(view.value) == view.first_address
    other = memoryview(bytearray(b"abc"))
    assert view.address(other) != view.first_address
    assert measure._writes_are_seen(memoryview(contents), contents)
    assert not measure._writes_are_seen(other, contents)


def test_input_that_vanishes(text_file: Path) -> None:
    stream = pieces(Input("x", (str(text_file),), 307200, 307200 * 3, 1024))
    next(stream)
    text_file.write_bytes(b"")
    with pytest.raises(OSError, match="empty"):
        list(stream)
    text_file.unlink()
    assert main(["demo", "--json", str(text_file)]) == 2


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_interrupted(text_file: Path) -> None:
    words = ("demo", str(text_file), "--json", "--size", "1GiB", "--chunk", "512")
    group = check_interrupted(*words, after=1)
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)


def test_reader_that_goes_away(text_file: Path) -> None:
    pytest.importorskip("rich")
    check_reader_goes_away("demo", str(text_file), "--rounds", "1")
