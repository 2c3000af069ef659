"""Everything an operation needs is refused in turn: it fails and nothing has changed, or it finds
another way.

Each group of operations runs in a child: when memory runs out anything may happen to a process.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from operations import GROUPS

PROGRAM = Path(__file__).with_name("refuse.py")


def count_failures(*arguments: str) -> int:
    """Run the program in a child; return how many refusals made an operation fail."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(PROGRAM), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stderr[-3000:]}"
    return int(done.stdout)


@pytest.mark.parametrize("group", GROUPS)
def test_every_allocation_is_refused_in_turn(group: str) -> None:
    pytest.importorskip("_testcapi", reason="this interpreter has no _testcapi")
    assert count_failures("memory", group) > 0


@pytest.mark.usefixtures("fault_build")
@pytest.mark.parametrize("group", GROUPS)
def test_every_call_into_the_system_is_refused_in_turn(group: str) -> None:
    # What removes bytes needs no call: where pages cannot be given back they are kept.
    assert (count_failures("calls", group) > 0) == (group != "removing")


@pytest.mark.usefixtures("fault_build")
@pytest.mark.parametrize("limit", ["RLIMIT_AS", "RLIMIT_DATA"])
@pytest.mark.parametrize("group", ["growing", "lending"])
def test_every_call_under_a_limit_is_refused_in_turn(group: str, limit: str) -> None:
    assert count_failures("--under", limit, "calls", group) > 0
