"""The types that each consumer is given. Those that are absent are skipped: see `need`."""

from __future__ import annotations

import pytest
from growable import Buffer


@pytest.fixture(params=[bytearray, Buffer], ids=["bytearray", "Buffer"])
def made(request: pytest.FixtureRequest) -> type[bytearray]:
    """Give the built-in, then ours: each check is written once and must hold for both."""
    chosen: type[bytearray] = request.param
    return chosen
