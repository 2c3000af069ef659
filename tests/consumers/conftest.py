"""The third-party consumers: skipped where absent, unless they are required.

CI's extra environment sets GROWABLE_REQUIRE_CONSUMERS=1, so that nothing is skipped there unseen.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from types import ModuleType

import pytest
from growable import Buffer


@pytest.fixture(params=[bytearray, Buffer], ids=["bytearray", "Buffer"])
def made(request: pytest.FixtureRequest) -> type[bytearray]:
    """Give the built-in, then ours: each check is written once and must hold for both."""
    chosen: type[bytearray] = request.param
    return chosen


@pytest.fixture
def need() -> Callable[[str], ModuleType]:
    """Give a function that imports a package or skips the test."""

    def load(name: str) -> ModuleType:
        if os.environ.get("GROWABLE_REQUIRE_CONSUMERS") == "1":
            return importlib.import_module(name)
        return pytest.importorskip(name)  # type: ignore[no-any-return]

    return load
