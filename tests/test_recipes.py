"""Each recipe under docs/recipes runs, ends well, says something and complains of nothing.

A line `needs: ...` in a recipe's docstring names the packages it takes beside growable. The list in
README.md there must name them too.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

RECIPES = Path(__file__).parents[1] / "docs" / "recipes"
LISTED = (RECIPES / "README.md").read_text(encoding="utf-8")

each_recipe = pytest.mark.parametrize(
    "path", sorted(RECIPES.glob("*.py")), ids=lambda path: path.stem
)


def needs_of(path: Path) -> list[str]:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert text, "a recipe says what it is for"
    found = re.findall(r"^needs: (.+)$", text, re.MULTILINE)
    return str(found[0]).split() if found else []


def run(path: Path, *words: str, root: Path) -> tuple[str, Path]:
    """Return what it says, and the folder that it was run in; temporary files go elsewhere."""
    folder, temporary = root / "here", root / "temporary"
    folder.mkdir()
    temporary.mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path), *words],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout, folder


@each_recipe
def test_the_list_has_it_and_what_it_needs(path: Path) -> None:
    row = re.search(rf"^\| .*\({path.name}\) \|.*\|(.*)\|$", LISTED, re.MULTILINE)
    assert row
    assert row[1].strip().strip("`").split() == needs_of(path)


def test_all_can_be_installed_at_once() -> None:
    everything = re.search(r"`pip install \. (.*)`", LISTED)
    assert everything
    assert set(everything[1].split()) == {n for p in RECIPES.glob("*.py") for n in needs_of(p)}


@each_recipe
def test_recipe(path: Path, need: Callable[[str], ModuleType], tmp_path: Path) -> None:
    for name in needs_of(path):
        need(name)
    shown, folder = run(path, root=tmp_path)
    assert shown
    assert not list(folder.iterdir()), "a recipe leaves nothing in the current folder"


def test_pictures_go_where_they_are_wanted(
    need: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    path = RECIPES / "plot_while_reading.py"
    for name in needs_of(path):
        need(name)
    shown, folder = run(path, "--to", "some/where", root=tmp_path)
    assert str(Path("some", "where", "prices.png")) in shown
    assert (folder / "some" / "where" / "prices.png").stat().st_size > 1000
