"""`growable demo --pages`: what it plays and checks, what it says is lacking, how it fails."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cli_support
import growable
import pytest
from cli_support import check_reader_goes_away, without
from growable import Region
from growable.cli import main, pages_demo, pages_scenes, race, stray_write

run = partial(cli_support.run, "demo", "--pages")
TITLES = [title for title, _ in pages_scenes.SCENES]


def play(monkeypatch: pytest.MonkeyPatch, *scenes: Callable[[Any], None]) -> tuple[Any, str]:
    """Return what comes of these scenes alone, and what people see of them."""
    lines: list[str] = []
    named = tuple((scene.__name__, scene) for scene in scenes)
    monkeypatch.setattr(pages_demo, "SCENES", named)
    return pages_demo.play(lines.append), "\n".join(lines)


def failed(outcome: dict[str, Any]) -> list[str]:
    return [check["name"] for check in outcome["checks"] if not check["ok"]]


# What it does


def test_as_a_document() -> None:
    done = run("--json")
    assert done.returncode == 0, done.stdout + done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["ok"] is True
    assert outcome["page_size"] == growable.info()["page_size"]
    assert [scenario["title"] for scenario in outcome["scenarios"]] == TITLES
    for scenario in outcome["scenarios"]:
        title, lacking = scenario["title"], scenario["unsupported"]
        assert lacking or scenario["steps"]
        assert lacking or any(check["name"].startswith(title) for check in outcome["checks"])
        for step in scenario["steps"]:
            assert step["text"]
            for shown in step["maps"]:
                assert shown["runs"][0]["offset"] == 0
                assert all(each["length"] % outcome["page_size"] == 0 for each in shown["runs"])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems may lack something")
def test_nothing_is_lacking_here() -> None:
    scenarios = json.loads(run("--json").stdout)["scenarios"]
    assert [scenario["unsupported"] for scenario in scenarios] == [None] * len(TITLES)


def test_as_text() -> None:
    done = run(PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    for number, title in enumerate(TITLES, 1):
        assert f"{number}. {title}" in lines
    count = sum(line.startswith("  checked: ") for line in lines)
    assert count >= 2 * len(TITLES)
    assert f"All {count} checks held, in {len(TITLES)} scenarios." in lines
    assert done.stdout.count("Region of ") >= 2 * len(TITLES)


def test_the_map_is_what_pages_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = []

    def scene(stage: Any) -> None:
        with Region(1, name="some") as region:
            printed.append(str(region.pages()))
            stage.step("Reserve.", region)

    _, shown = play(monkeypatch, scene)
    assert "\n".join(f"    {line}" for line in printed[0].splitlines()) in shown


def test_without_rich(tmp_path: Path) -> None:
    done = run(**without(tmp_path, "rich", "numpy"))
    assert done.returncode == 0, done.stderr
    assert "checks held" in done.stdout


def test_the_address_may_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        taken = Region(growable.info()["page_size"], address=0x40000000)
    except growable.ReservationError:
        taken = None  # by somebody else
    outcome, shown = play(monkeypatch, pages_scenes.eight_pages_at_an_address)
    assert outcome["ok"] is True
    assert "Reserve 8 pages at 0x40000000: failure." in shown
    if taken:
        taken.release()


# What it refuses


@pytest.mark.parametrize(
    "words",
    [
        ["--size", "1MiB"],
        ["--chunk", "1KiB"],
        ["--rounds", "2"],
        ["--numpy"],
        ["--no-numpy"],
        ["--progress"],
        ["--no-progress"],
        ["--rows", "5"],
        ["--every", "5"],
    ],
)
def test_options_of_other_demos(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--pages", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{words[0].replace('no-', '')} cannot be given with --pages" in err


def test_takes_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--pages", __file__]) == 2
    assert "--pages takes no file" in capsys.readouterr().err


def test_not_with_array() -> None:
    done = run("--array")
    assert done.returncode == 2
    assert "not allowed with" in done.stderr


# What the system lacks


def test_what_is_lacking_is_said_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(stage: Any) -> None:
        stage.step("A first step.")
        stage.check("it was taken", True)
        raise growable.UnsupportedError("no such pages here")

    def fine(stage: Any) -> None:
        stage.check("it went on", True)

    outcome, shown = play(monkeypatch, lacking, fine)
    assert outcome["ok"] is True
    assert [each["unsupported"] for each in outcome["scenarios"]] == ["no such pages here", None]
    assert "  Not on this system: no such pages here" in shown
    assert "  checked: it went on" in shown
    assert shown.endswith(
        "All 2 checks held, in 2 scenarios.\nNot all of it on this system: lacking."
    )


@pytest.mark.parametrize(
    ("system", "lacking"), [("darwin", "the first 4 GiB are not to be had (full)"), ("linux", None)]
)
def test_low_addresses(monkeypatch: pytest.MonkeyPatch, system: str, lacking: str | None) -> None:
    def full(*args: object, **options: object) -> None:
        raise growable.ReservationError("full")

    monkeypatch.setattr(pages_scenes, "Region", full)
    monkeypatch.setattr(pages_scenes.sys, "platform", system)
    outcome, _ = play(monkeypatch, pages_scenes.below_two_gibibytes)
    assert outcome["scenarios"][0]["unsupported"] == lacking
    assert outcome["ok"] is (lacking is not None)


# How it fails


def test_a_failed_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(stage: Any) -> None:
        stage.check("one is one", True)
        stage.check("one is two", False)

    monkeypatch.setattr(pages_demo, "SCENES", (("Numbers", wrong),))
    assert main(["demo", "--pages"]) == 1
    shown = capsys.readouterr().out
    assert "  CHECK FAILED: one is two\n" in shown
    assert shown.endswith("\nCHECK FAILED: Numbers: one is two\n")
    assert main(["demo", "--pages", "--json"]) == 1
    assert failed(json.loads(capsys.readouterr().out)) == ["Numbers: one is two"]


def test_an_exception_is_a_failed_check(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(stage: Any) -> None:
        raise growable.CommitError("no memory")

    outcome, _ = play(monkeypatch, broken)
    assert failed(outcome) == ["broken: it runs to its end, but: CommitError: no memory"]


@pytest.mark.parametrize(
    ("found", "held"),
    [
        ({"error": "ended by signal 11"}, True),
        ({"error": "ended with status 3221225477"}, True),
        ({"intact": True, "refused": "access violation"}, True),
        ({"intact": False, "refused": "access violation"}, False),
        ({"intact": False, "refused": ""}, False),
        ({"intact": True, "refused": ""}, False),
        ({"error": "ImportError: no luck today"}, False),
    ],
)
def test_how_the_stray_write_ends(
    monkeypatch: pytest.MonkeyPatch, found: dict[str, Any], held: bool
) -> None:
    def end(module: str, plan: dict[str, Any], advance: object) -> dict[str, Any]:
        return found if plan["protected"] else {"intact": False, "refused": ""}

    monkeypatch.setattr(race, "run_child", end)
    outcome, _ = play(monkeypatch, pages_scenes.safe_from_stray_writes)
    assert outcome["ok"] is held


def test_a_stray_write_that_is_not_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "_BOOTSTRAP", "raise SystemExit('no luck today')")
    outcome, _ = play(monkeypatch, pages_scenes.safe_from_stray_writes)
    assert len(failed(outcome)) == 2


def test_the_process_that_writes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = partial(json.dumps, {"protected": False})
    monkeypatch.setattr(stray_write, "_die_quietly", lambda: None)
    monkeypatch.setattr(stray_write.json, "load", lambda _: json.loads(plan()))
    assert stray_write.child() == 0
    assert json.loads(capsys.readouterr().out) == {"result": {"intact": False, "refused": ""}}


def test_reader_that_goes_away() -> None:
    check_reader_goes_away("demo", "--pages")
