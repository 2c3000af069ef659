"""Fixtures that run one test over every type and, where it matters, every storage tier.

* `kind`: the exact `Buffer` and a Python subclass of it.
* `make`: a function `make(content=b"")`; the test runs for each kind in each storage tier.
* `make_exact`: the same for the exact type only.
* `small_heap`: the garbage collector looks at what the test makes, not at all that the run holds.
* `need`: imports a third-party package or skips the test. CI's extra environment sets
  GROWABLE_REQUIRE_CONSUMERS=1, so that nothing is skipped there unseen.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import support
import windows
from growable import Buffer

Make = Callable[..., Buffer]

KINDS = [Buffer, support.SubBuffer]
KIND_IDS = ["exact", "subclass"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what `windows.py` lists, on Windows."""
    names = {item: item.nodeid.removeprefix("tests/") for item in items}
    for key, reason in windows.left_out().items():
        for item, name in names.items():
            if windows.names(name, key):
                item.add_marker(pytest.mark.skip(reason=reason))
    if not any("::" in argument for argument in config.args):
        stale = windows.stale(names.values())
        if stale:
            raise pytest.UsageError(f"tests/windows.py names no test: {', '.join(stale)}")


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


@pytest.fixture
def need() -> Callable[[str], ModuleType]:
    """Give a function that imports a package or skips the test."""

    def load(name: str) -> ModuleType:
        if os.environ.get("GROWABLE_REQUIRE_CONSUMERS") == "1":
            return importlib.import_module(name)
        return pytest.importorskip(name)  # type: ignore[no-any-return]

    return load


@pytest.fixture(scope="module")
def small_heap() -> Iterator[None]:
    """Hide what exists already from the garbage collector, so that tests may collect often."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
