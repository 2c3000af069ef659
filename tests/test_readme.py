"""The code in the documents runs, and prints what its comments say."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import growable
import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    "README.md",
    "docs/aio.md",
    "docs/array.md",
    "docs/buffer.md",
    "docs/bytesio.md",
    "docs/configuration.md",
    "docs/guard.md",
    "docs/region.md",
    "docs/ring.md",
    "docs/section.md",
    "docs/table.md",
]
LINKED = [
    *DOCUMENTS,
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/memory-model.md",
    "docs/platforms.md",
    "docs/recipes/README.md",
]

FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PRINTED = re.compile(r"^\s*print\(.*\)\s+# (.*)$", re.MULTILINE)


def blocks(document: str) -> list[tuple[int, str]]:
    """Return the Python blocks of a document, each with the number of its first line."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return [(text.count("\n", 0, found.start(1)) + 1, found[1]) for found in FENCE.finditer(text)]


@pytest.fixture(autouse=True)
def _defaults_put_back() -> Iterator[None]:
    before = growable.info()["defaults"]
    yield
    growable.set_defaults(**before)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_code_runs(document: str) -> None:
    names: dict[str, Any] = {"__name__": document}
    ran = 0
    for line, code in blocks(document):
        if "numpy" in code:
            try:
                import numpy  # noqa: F401
            except ImportError:
                continue
        printed = io.StringIO()
        padded = "\n" * (line - 1) + code  # So that a traceback shows the document's own line.
        with contextlib.redirect_stdout(printed):
            exec(compile(padded, str(ROOT / document), "exec"), names)
        assert printed.getvalue().splitlines() == PRINTED.findall(code)
        ran += 1
    assert ran >= 1


@pytest.mark.parametrize("document", LINKED)
def test_links_lead_somewhere(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert ((ROOT / document).parent / target).exists(), target


def test_readme_names_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in ("demo", "test"):
        assert f"    make {command} " in text
        assert re.search(rf"^{command}:", makefile, re.MULTILINE)


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_an_environment_that_is_not_ours_stays(tmp_path: Path) -> None:
    fake = tmp_path / "python"
    fake.write_text('#!/bin/sh\nmkdir -p "$3"\n')
    fake.chmod(0o755)
    mine, ours = tmp_path / "mine", tmp_path / "ours"

    def make(venv: Path, target: str) -> subprocess.CompletedProcess[str]:
        command = ["make", "-C", str(ROOT), f"VENV={venv}", f"PYTHON={fake}", target]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    mine.mkdir()
    (mine / "mine").touch()
    refused = make(mine, f"{mine}/.made")
    assert refused.returncode != 0
    assert "VENV=/some/where" in refused.stderr
    assert [path.name for path in mine.iterdir()] == ["mine"]
    assert make(ours, f"{ours}/.made").returncode == 0
    assert (ours / ".made").exists()
