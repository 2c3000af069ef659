"""A short run of the differential fuzzer; long runs are made by hand and by CI."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FUZZER = Path(__file__).with_name("fuzz.py")
REGION_FUZZER = Path(__file__).with_name("region_fuzz.py")


@pytest.mark.parametrize("seed", [1, 2])
def test_no_difference_from_bytearray(seed: int) -> None:
    """Some ten thousand operations give what the built-in gives."""
    command = [sys.executable, str(FUZZER), "--seed", str(seed), "--episodes", "250"]
    command += ["--seconds", "600", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["episodes"] == 250


def test_no_difference_from_the_model_of_pages() -> None:
    """Some twenty thousand operations on Regions do what the documentation says."""
    command = [sys.executable, str(REGION_FUZZER), "--seed", "1", "--rounds", "160"]
    command += ["--seconds", "600"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("160 rounds")
