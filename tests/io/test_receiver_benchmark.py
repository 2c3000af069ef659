"""The receiver's benchmark runs, and proves by address that no received byte is moved or copied."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "receiver.py"


def test_smoke() -> None:
    command = [sys.executable, str(SCRIPT), "--smoke", "--sizes", "1", "5000", "700000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_report() -> None:
    command = [sys.executable, str(SCRIPT), "--total", "2000000", "--rounds", "1"]
    done = subprocess.run(
        [*command, "--sizes", "100000"], capture_output=True, text=True, check=True
    )
    assert "No byte was copied after recv_into" in done.stdout
    assert "100,000 bytes, Buffer" in done.stdout
