"""`growable info`, and what all commands share."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import growable
import pytest
from cli_support import check_needs_rich, check_reader_goes_away, run, without
from growable.cli import main
from growable.cli.report import rate_text, size_text, time_text


def test_json_is_what_the_functions_return(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found.pop("capabilities") == growable.capabilities()
    here = json.loads(json.dumps(growable.info()))
    assert found == here


def test_tables_fit_80_columns() -> None:
    pytest.importorskip("rich")
    done = run("info")
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    for word in ("page size", "granularity", "mappings", "reservation", "capability", "here"):
        assert word in done.stdout


def test_tables_in_ascii() -> None:
    pytest.importorskip("rich")
    done = run("info", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()


def test_settings_are_shown() -> None:
    pytest.importorskip("rich")
    done = run("info", GROWABLE_RESERVATION="3GiB", GROWABLE_HUGE_PAGES="no")
    assert "3 GiB" in done.stdout
    assert any(line.split() == ["huge", "pages", "off"] for line in done.stdout.splitlines())


def test_without_rich(tmp_path: Path) -> None:
    variables = without(tmp_path, "rich")
    check_needs_rich(run("info", **variables))
    done = run("info", "--json", **variables)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["page_size"]


def test_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"growable {growable.__version__}\n")


@pytest.mark.parametrize("words", [[], ["nonsense"], ["info", "--nonsense"], ["info", "extra"]])
def test_bad_usage(words: list[str]) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "usage: growable" in done.stderr


@pytest.mark.parametrize("words", [["--help"], ["info", "--help"], ["demo", "--help"]])
def test_help(words: list[str]) -> None:
    done = run(*words, COLUMNS="80")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_reader_that_goes_away() -> None:
    check_reader_goes_away("info", "--json")


def test_the_installed_command() -> None:
    command = Path(sys.executable).with_name("growable")
    if not command.exists():
        pytest.skip("the package is not installed beside this interpreter")
    done = subprocess.run([command, "info", "--json"], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0
    assert json.loads(done.stdout)["version"] == growable.__version__


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (64 << 30, "64 GiB"),
        (1 << 50, "1 PiB"),
        (1 << 62, "4096 PiB"),
        (None, "no limit"),
    ],
)
def test_size_text(size: int | None, text: str) -> None:
    assert size_text(size) == text


def test_time_and_rate_text() -> None:
    assert [time_text(value) for value in (2.5, 0.0123, 4.56e-5, 7e-8)] == [
        "2.5 s",
        "12.3 ms",
        "45.6 us",
        "70 ns",
    ]
    assert [rate_text(value) for value in (1.5e9, 2.5e6)] == ["1.50 GB/s", "2.5 MB/s"]
