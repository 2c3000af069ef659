"""All or nothing: whatever allocation is refused, the rows stay what they were."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import array_faults
import pytest
from growable import _core
from support import under_sanitizer

SCRIPT = Path(array_faults.__file__)
NAMES = list(array_faults.OPERATIONS)


def run(what: str, names: list[str]) -> int:
    """Run the operations in a child; return how many refusals they met."""
    command = [sys.executable, "-X", "faulthandler", str(SCRIPT), what, *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    met = dict(line.rsplit(": ", 1) for line in done.stdout.splitlines())
    assert set(met) == set(names)
    return sum(int(count) for count in met.values())


@pytest.mark.skipif(importlib.util.find_spec("_testcapi") is None, reason="needs _testcapi")
@pytest.mark.skipif(under_sanitizer(), reason="the sanitizer allocates for itself")
@pytest.mark.parametrize("names", [NAMES[i::4] for i in range(4)], ids=range(4))
def test_refused_memory_changes_nothing(names: list[str]) -> None:
    assert run("memory", names) > 20


@pytest.mark.skipif(not hasattr(_core, "_fault_arm"), reason="this is no build of the fault preset")
def test_refused_system_calls_change_nothing() -> None:
    assert run("system", NAMES) > 0
