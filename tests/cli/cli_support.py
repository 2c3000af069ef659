"""What the tests of the command line share: each runs it as a user does, in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-m", "growable"]
SECONDS = 300  # Only so that a command which hangs fails.


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `growable` with these words and environment variables."""
    return subprocess.run(
        [*COMMAND, *words],
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **variables},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=SECONDS,
    )


def run_json(*words: str, **variables: str) -> dict[str, Any]:
    """Run a demo once, and return what it reports."""
    done = run(*words, "--json", "--rounds", "1", **variables)
    assert done.returncode == 0, done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


def without(folder: Path, *modules: str) -> dict[str, str]:
    """Return variables under which these modules cannot be imported."""
    for module in modules:
        (folder / f"{module}.py").write_text(f"raise ImportError('no {module} here')\n")
    search = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return {"PYTHONPATH": search}


def check_needs_rich(done: subprocess.CompletedProcess[str]) -> None:
    """Assert that a command ended by saying how to install rich."""
    assert done.returncode == 2
    assert done.stdout == ""
    assert "pip install 'growable[cli]'\n" in done.stderr
    assert "Traceback" not in done.stderr


def check_reader_goes_away(*words: str) -> None:
    """Assert that the command ends quietly when nobody reads its output."""
    with subprocess.Popen(
        [*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


def interrupt(*words: str, after: float) -> tuple[int, subprocess.CompletedProcess[str]]:
    """Press Ctrl-C after some seconds; return the id of the command's group and how it ended."""
    with subprocess.Popen(
        [*COMMAND, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        time.sleep(after)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    return process.pid, subprocess.CompletedProcess(words, process.returncode, out, err)


def check_interrupted(*words: str, after: float) -> int:
    """Assert that Ctrl-C ends the command with one line, and return the id of its group.

    While Python still starts and imports, Ctrl-C is its own affair: then a later one is tried.
    """
    for wait in (after, 4 * after, 16 * after):
        group, done = interrupt(*words, after=wait)
        if "Traceback" not in done.stderr:
            break
    assert done.returncode == 130
    assert done.stdout == ""
    assert done.stderr == "growable: interrupted\n"
    return group
