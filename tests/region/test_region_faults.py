"""All or nothing: whatever is refused, the pages stay what they were."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import region_faults
from growable import _core
from support import under_sanitizer

SCRIPT = Path(region_faults.__file__)
NAMES = list(region_faults.OPERATIONS)


def run(what: str, names: list[str]) -> dict[str, int]:
    """Run the operations in a child; return how many refusals each met."""
    command = [sys.executable, "-X", "faulthandler", str(SCRIPT), what, *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    met = dict(line.rsplit(": ", 1) for line in done.stdout.splitlines())
    assert set(met) == set(names)
    return {name: int(count) for name, count in met.items()}


@pytest.mark.skipif(importlib.util.find_spec("_testcapi") is None, reason="needs _testcapi")
@pytest.mark.skipif(under_sanitizer(), reason="the sanitizer allocates for itself")
@pytest.mark.parametrize("names", [NAMES[i::3] for i in range(3)], ids=range(3))
def test_refused_memory_changes_nothing(names: list[str]) -> None:
    assert sum(run("memory", names).values()) > 10


@pytest.mark.skipif(not hasattr(_core, "_fault_arm"), reason="this is no build of the fault preset")
def test_refused_system_calls_change_nothing() -> None:
    met = run("system", NAMES)
    assert met["commit"] >= 1
    assert met["construct"] >= 2
