"""vm.overcommit_memory=2: every committed page is paid for, so commits can be refused.

It changes the whole machine, so it runs only for root and when GROWABLE_TEST_OVERCOMMIT=1 says that
the machine is ours to change; the setting is put back whatever happens.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import run_child

SETTING = Path("/proc/sys/vm/overcommit_memory")


@pytest.fixture
def no_overcommit() -> Iterator[None]:
    """Pay for every page until the test ends."""
    if os.environ.get("GROWABLE_TEST_OVERCOMMIT") != "1":
        pytest.skip("GROWABLE_TEST_OVERCOMMIT is not 1")
    if not SETTING.exists() or os.geteuid() != 0:
        pytest.skip("only root can change vm.overcommit_memory")
    before = SETTING.read_text()
    try:
        SETTING.write_text("2")
        yield
    finally:
        SETTING.write_text(before)


@pytest.mark.usefixtures("no_overcommit")
def test_buffers_work_without_overcommit() -> None:
    run_child(
        """
        import growable
        assert growable.info()["overcommit"] == "never"
        buffer = growable.Buffer(b"x")
        with memoryview(buffer) as view:
            buffer += bytes(64 << 20)
            assert view == b"x"
        many = [growable.Buffer(b"y" * 100) for _ in range(10_000)]
        views = [memoryview(m) for m in many[:2000]]
        assert all(m == b"y" * 100 for m in many)
        """
    )


@pytest.mark.usefixtures("no_overcommit")
def test_a_refused_commit_is_a_commit_error() -> None:
    run_child(
        """
        import growable
        buffer = growable.Buffer(b"abc", capacity=1 << 40)
        try:
            buffer.resize(1 << 39)
        except growable.CommitError as error:
            assert error.requested and error.limit, error
        else:
            raise AssertionError("512 GiB were committed without overcommit")
        assert buffer == b"abc"
        buffer += b"def"
        assert buffer == b"abcdef"
        """
    )


@pytest.mark.usefixtures("no_overcommit")
def test_a_reservation_costs_nothing() -> None:
    run_child(
        """
        import growable
        buffers = [growable.Buffer(capacity=1 << 36) for _ in range(20)]
        for b in buffers:
            b += b"x" * 100_000
        """
    )
