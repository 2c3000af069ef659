"""`growable demo --pages`: the classic uses of pages, each step with its page map, each checked.

pages_scenes.py has the scenarios, stray_write.py the process that one of them lets die. This file
runs them, and shows what they say as they go: if one brings the process down, what came before is
on the screen. rich is not needed.
"""

from __future__ import annotations

import argparse
import platform
import sysconfig
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from growable._core import Region
from growable.cli import report
from growable.cli.pages_scenes import SCENES
from growable.cli.report import size_text
from growable.config import info, package_version
from growable.errors import UnsupportedError
from growable.pages import PageMap

Show: TypeAlias = Callable[[str], None]

WIDTH = 78


@dataclass
class Stage:
    """Where a scenario plays: it shows steps and checks, and keeps them for the document.

    Parameters
    ----------
    title : str
        What is played.
    show : callable
        Takes each line for people.
    """

    title: str
    show: Show
    steps: list[dict[str, Any]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    lacking: str | None = None

    def step(self, text: str, *regions: Region) -> None:
        """Say what was done, and show what the pages of these regions are now."""
        maps = [region.pages() for region in regions]
        self.steps.append({"text": text, "maps": [_document(each) for each in maps]})
        self.show("")
        self._say("", text)
        for each in maps:
            for line in str(each).splitlines():
                self.show(f"    {line}")

    def say(self, text: str) -> None:
        """Add something to the step before."""
        self.steps[-1]["text"] += " " + text
        self._say("", text)

    def check(self, what: str, held: bool) -> None:
        """Say what was checked, and whether it is so."""
        self.checks.append({"name": f"{self.title}: {what}", "ok": held})
        self._say("  checked: " if held else "  CHECK FAILED: ", what)

    def lacks(self, reason: str) -> None:
        """Say that the rest cannot be shown on this system, and why."""
        self.lacking = reason
        self.show("")
        self._say("  Not on this system: ", reason)

    def _say(self, mark: str, text: str) -> None:
        for line in textwrap.wrap(mark + text, WIDTH, subsequent_indent=" " * len(mark)):
            self.show(line)


def _document(pages: PageMap) -> dict[str, Any]:
    return {
        "name": pages.name,
        "address": pages.address,
        "page_size": pages.page_size,
        "runs": [run._asdict() for run in pages],
    }


def run(options: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    report.accept_all_text()
    outcome = play(_quiet if options.json else _loud)
    if options.json:
        report.print_json(outcome)
    return 0 if outcome["ok"] else 1


def _quiet(_line: str) -> None:
    pass


def _loud(line: str) -> None:
    print(line, flush=True)


def play(show: Show) -> dict[str, Any]:
    """Play all scenarios and return one document of them: what ``--json`` prints.

    Parameters
    ----------
    show : callable
        Takes each line for people.
    """
    outcome: dict[str, Any] = {
        "growable": package_version(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": sysconfig.get_platform(),
        "page_size": info()["page_size"],
        "granularity": info()["granularity"],
    }
    for line in _heading(outcome):
        show(line)
    stages = [_play(number, *scene, show) for number, scene in enumerate(SCENES, 1)]
    outcome["scenarios"] = [
        {"title": stage.title, "steps": stage.steps, "unsupported": stage.lacking}
        for stage in stages
    ]
    outcome["checks"] = [check for stage in stages for check in stage.checks]
    outcome["ok"] = all(check["ok"] for check in outcome["checks"])
    show("")
    for line in report.verdict_lines(outcome["checks"], _all_held(stages)):
        show(line)
    return outcome


def _play(number: int, title: str, scene: Callable[[Stage], None], show: Show) -> Stage:
    stage = Stage(title, show)
    show("")
    show(f"{number}. {title}")
    show("=" * len(f"{number}. {title}"))
    try:
        scene(stage)
    except UnsupportedError as error:
        stage.lacks(str(error))
    except Exception as error:
        stage.check(f"it runs to its end, but: {type(error).__name__}: {error}", False)
    return stage


def _heading(outcome: dict[str, Any]) -> Iterator[str]:
    yield f"growable {outcome['growable']}, {outcome['python']}, {outcome['platform']}"
    page, unit = size_text(outcome["page_size"]), size_text(outcome["granularity"])
    yield f"Pages of {page}, reservations at multiples of {unit}. After each step: what the"
    yield "pages are, as region.pages() prints it, and what was checked."


def _all_held(stages: Sequence[Stage]) -> Iterator[str]:
    count = sum(len(stage.checks) for stage in stages)
    yield f"All {count} checks held, in {len(stages)} scenarios."
    yield from (
        f"Not all of it on this system: {stage.title}." for stage in stages if stage.lacking
    )
