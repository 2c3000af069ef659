"""Fixtures that run one test over every type and, where it matters, every storage tier.

* `kind`: the exact `Buffer` and a Python subclass of it.
* `make`: a function `make(content=b"")`; the test runs for each kind in each storage tier.
* `make_exact`: the same for the exact type only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import support
from growable import Buffer

Make = Callable[..., Buffer]

KINDS = [Buffer, support.SubBuffer]
KIND_IDS = ["exact", "subclass"]


@pytest.fixture(params=KINDS, ids=KIND_IDS)
def kind(request: pytest.FixtureRequest) -> type[Buffer]:
    """Give each type that a promise must hold for."""
    chosen: type[Buffer] = request.param
    return chosen


@pytest.fixture(params=list(support.TIERS))
def tier(request: pytest.FixtureRequest) -> str:
    """Give the name of each storage tier."""
    return str(request.param)


@pytest.fixture
def make(kind: type[Buffer], tier: str) -> Make:
    """Give a function that makes a buffer of this kind in this tier."""
    build = support.TIERS[tier]

    def make_one(content: bytes = b"") -> Buffer:
        return build(kind, content)

    return make_one


@pytest.fixture
def make_exact(tier: str) -> Make:
    """Give a function that makes an exact `Buffer` in this tier."""
    build = support.TIERS[tier]

    def make_one(content: bytes = b"") -> Buffer:
        return build(Buffer, content)

    return make_one
