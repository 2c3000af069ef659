"""Everything an operation needs is refused in turn; it fails and nothing has changed.

Each operation runs in a child: when memory runs out anything may happen to a process.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fault_operations import OPERATIONS
from growable import _core

PROGRAM = Path(__file__).with_name("fault_operations.py")


def meet_refusals(what: str, name: str) -> int:
    """Run the operation in a child; return how many refusals it met."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(PROGRAM), what, name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{name}: {done.returncode}\n{done.stderr[-3000:]}"
    return int(done.stdout)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_allocation_fails_in_turn(name: str) -> None:
    pytest.importorskip("_testcapi", reason="this interpreter has no _testcapi")
    meet_refusals("memory", name)


def test_allocations_are_met_at_all() -> None:
    pytest.importorskip("_testcapi", reason="this interpreter has no _testcapi")
    assert meet_refusals("memory", "copy") > 0


@pytest.fixture
def fault_build() -> None:
    """Need a build of the `fault` preset."""
    if hasattr(_core, "_fault_arm"):
        return
    if os.environ.get("GROWABLE_REQUIRE_FAULTS") == "1":
        pytest.fail("GROWABLE_REQUIRE_FAULTS=1, but this is no build of the fault preset")
    pytest.skip("this is no build of the fault preset")


@pytest.mark.usefixtures("fault_build")
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_system_call_fails_in_turn(name: str) -> None:
    meet_refusals("system", name)


@pytest.mark.usefixtures("fault_build")
@pytest.mark.parametrize("name", ["extend very much", "ensure", "construct with a capacity"])
def test_system_calls_are_met_at_all(name: str) -> None:
    assert meet_refusals("system", name) > 0
