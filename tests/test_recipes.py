"""Each recipe under docs/recipes runs, ends well, says something and complains of nothing.

A line `needs: ...` in a recipe's docstring names the packages it takes beside growable.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

RECIPES = Path(__file__).parents[1] / "docs" / "recipes"


def test_there_are_recipes_and_the_list_has_them_all() -> None:
    found = sorted(path.name for path in RECIPES.glob("*.py"))
    assert found
    listed = (RECIPES / "README.md").read_text(encoding="utf-8")
    assert not [name for name in found if f"({name})" not in listed]


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.py")), ids=lambda path: path.stem)
def test_recipe(path: Path, need: Callable[[str], ModuleType], tmp_path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert text, "a recipe says what it is for"
    for line in text.splitlines():
        if line.startswith("needs:"):
            for name in line.removeprefix("needs:").split():
                need(name)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert not done.stderr
