"""A fixture for tests that need to refuse our calls into the operating system."""

from __future__ import annotations

import os

import pytest
from growable import _core


@pytest.fixture
def fault_build() -> None:
    """Need a build of the `fault` preset."""
    if hasattr(_core, "_fault_arm"):
        return
    if os.environ.get("GROWABLE_REQUIRE_FAULTS") == "1":
        pytest.fail("GROWABLE_REQUIRE_FAULTS=1, but this is no build of the fault preset")
    pytest.skip("this is no build of the fault preset")
