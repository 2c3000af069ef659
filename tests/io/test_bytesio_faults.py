"""System calls refused in turn while a BytesIO is written to: it fails and nothing has changed.

Needs a build of the `fault` preset, like tests/faults.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from growable import BytesIO, _core
from support import pattern

CONTENT = pattern(5000)


def in_bytes() -> BytesIO:
    return BytesIO(CONTENT)


def in_buffer() -> BytesIO:
    f = in_bytes()
    f.getbuffer().release()
    return f


def large() -> BytesIO:
    f = BytesIO(CONTENT * 1000)
    f.getbuffer().release()
    return f


OPERATIONS: dict[str, Callable[[BytesIO], object]] = {
    "write": lambda f: f.write(b"x" * 100),
    "write much": lambda f: f.write(bytes(9_000_000)),
    "write past the end": lambda f: (f.seek(5_500_000), f.write(b"x"))[1],
    "getbuffer": lambda f: f.getbuffer(),
    "getvalue": lambda f: f.getvalue(),
    "truncate": lambda f: f.truncate(10),
    "close": lambda f: f.close(),
}


@pytest.fixture
def fault_build() -> None:
    if hasattr(_core, "_fault_arm"):
        return
    if os.environ.get("GROWABLE_REQUIRE_FAULTS") == "1":
        pytest.fail("GROWABLE_REQUIRE_FAULTS=1, but this is no build of the fault preset")
    pytest.skip("this is no build of the fault preset")


@pytest.mark.usefixtures("fault_build")
@pytest.mark.parametrize("make", [in_bytes, in_buffer, large], ids=lambda make: make.__name__)
@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("count", [1, 1000], ids=["one", "all"])
def test_every_system_call_fails_in_turn(
    make: Callable[[], BytesIO], name: str, count: int
) -> None:
    for nth in range(1, 20):
        f = make()
        before = f.getvalue()
        f = make()
        f.seek(7)
        _core._fault_arm(nth, count)  # type: ignore[attr-defined]
        try:
            OPERATIONS[name](f)
        except MemoryError:
            _core._fault_disarm()  # type: ignore[attr-defined]
            assert f.getvalue() == before
        finally:
            _core._fault_disarm()  # type: ignore[attr-defined]
