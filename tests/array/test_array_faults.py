"""All or nothing: whatever allocation is refused, the rows stay what they were."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import array_faults
import pytest
from support import under_sanitizer

SCRIPT = Path(array_faults.__file__)
NAMES = list(array_faults.OPERATIONS)


@pytest.mark.skipif(importlib.util.find_spec("_testcapi") is None, reason="needs _testcapi")
@pytest.mark.skipif(under_sanitizer(), reason="the sanitizer allocates for itself")
@pytest.mark.parametrize("names", [NAMES[i::4] for i in range(4)], ids=range(4))
def test_refused_memory_changes_nothing(names: list[str]) -> None:
    command = [sys.executable, "-X", "faulthandler", str(SCRIPT), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    met = dict(line.rsplit(": ", 1) for line in done.stdout.splitlines())
    assert set(met) == set(names)
    assert sum(int(count) for count in met.values()) > 20
