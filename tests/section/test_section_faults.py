"""Whatever a section needs is refused in turn: it fails as a whole, or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from growable import _core
from support import under_sanitizer

PROGRAM = Path(__file__).with_name("section_faults.py")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at Linux's own files")


def count_failures(kind: str) -> int:
    """Run the program in a child; return how many refusals made an operation fail."""
    command = [sys.executable, "-X", "faulthandler", str(PROGRAM), kind]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.returncode}\n{done.stderr[-3000:]}"
    return int(done.stdout)


@pytest.mark.skipif(under_sanitizer(), reason="the sanitizer allocates for itself")
def test_every_allocation_is_refused_in_turn() -> None:
    pytest.importorskip("_testcapi", reason="this interpreter has no _testcapi")
    assert count_failures("memory") > 0


def test_every_call_into_the_system_is_refused_in_turn() -> None:
    if not hasattr(_core, "_fault_arm"):
        pytest.skip("this is no build of the fault preset")
    assert count_failures("calls") > 0
