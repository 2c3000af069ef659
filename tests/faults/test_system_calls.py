"""Refused calls into the operating system: what no operation can be told of, and what errors tell.

Needs a build of the `fault` preset, which counts those calls and refuses the nth.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import growable
import pytest
from growable import Buffer
from operations import STATES
from support import pattern

core: Any = growable._core
MEMORY = (MemoryError, BufferError)

pytestmark = pytest.mark.usefixtures("fault_build")


@contextlib.contextmanager
def refused(nth: int, count: int) -> Iterator[None]:
    """Refuse the nth call and `count` in all from there on; all of them where it is negative."""
    core._fault_arm(nth, count)
    try:
        yield
    finally:
        core._fault_disarm()


@pytest.fixture(params=["64MiB", "0"], ids=["pool", "no pool"])
def budget(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep idle reservations, or none, so that each new one needs the system."""
    default = growable.info()["defaults"]["pool_budget"]
    growable.set_defaults(pool_budget=request.param)
    yield
    growable.set_defaults(pool_budget=default)


@pytest.mark.parametrize("count", [1, -1])
@pytest.mark.parametrize("state", STATES)
@pytest.mark.usefixtures("budget")
def test_the_end_of_a_buffer_leaves_the_pool_clean(state: str, count: int) -> None:
    """Nobody can be told of a refusal here."""
    nth = 1
    while nth == 1 or core._fault_calls() >= nth:
        subject = STATES[state]()
        with refused(nth, count):
            del subject
        nth += 1
        fresh = Buffer()
        memoryview(fresh).release()
        fresh.resize(5 << 20)
        assert fresh.count(0) == 5 << 20
        fresh[:] = pattern(100)
        assert fresh == pattern(100)


@pytest.mark.parametrize("count", [1, -1])
@pytest.mark.usefixtures("budget")
def test_pages_that_stay_read_only_do_not_come_back(count: int) -> None:
    nth = 1
    while nth == 1 or core._fault_calls() >= nth:
        buffer = Buffer(pattern(300_000))
        buffer.freeze()
        with refused(nth, count):
            del buffer
        nth += 1
        for _ in range(3):
            fresh = Buffer()
            memoryview(fresh).release()
            fresh.resize(1 << 20)
            fresh[:] = b"\xff" * (1 << 20)


@pytest.mark.parametrize("strewn", range(10))
def test_a_queue_lives_on_with_the_right_contents(strewn: int) -> None:
    buffer, model = Buffer(), bytearray()
    for step in range(60):
        block = pattern(100_000, step)
        with refused(1 + (strewn * 7 + step) % 5, 1 + step % 3), contextlib.suppress(*MEMORY):
            buffer += block
            model += block
        with refused(1 + (strewn * 3 + step) % 4, 1):
            del buffer[: 90_000 if step % 5 else 150_000]
            del model[: 90_000 if step % 5 else 150_000]
            if step % 9 == 0:
                with contextlib.suppress(*MEMORY):
                    buffer.shrink_to_fit()
        assert buffer == model
    buffer += b"end"
    assert buffer == model + b"end"


def test_a_commit_error_tells_what_was_tried() -> None:
    buffer = Buffer(pattern(100), capacity=64 << 20)
    with refused(1, -1), pytest.raises(growable.CommitError) as caught:
        buffer.resize(10 << 20)
    error = caught.value
    assert error.operation == "resize"
    assert error.error_code == 12
    assert error.requested is not None
    assert error.requested >= (10 << 20) - buffer.committed
    assert str(error).startswith("resize: cannot commit")


def test_a_reservation_error_tells_what_was_tried() -> None:
    growable.set_defaults()
    with refused(1, -1), pytest.raises(growable.ReservationError) as caught:
        Buffer(capacity=10 << 20)
    assert caught.value.operation == "Buffer"
    assert caught.value.error_code == 12
    assert caught.value.requested is not None
    assert caught.value.requested >= 10 << 20


def test_a_refused_freeze_tells_what_was_tried() -> None:
    buffer = Buffer(pattern(100_000))
    with refused(1, -1), pytest.raises(growable.GrowableError) as caught:
        buffer.freeze()
    assert caught.value.operation == "freeze"
    assert caught.value.error_code == 12
    buffer.append(1)


def test_refusals_of_the_past_make_no_buffer_smaller() -> None:
    before = Buffer(pattern(100_000)).capacity
    growable.set_defaults()
    with refused(1, -1):
        stays_on_the_heap = Buffer(pattern(100_000))
    assert stays_on_the_heap.capacity < before
    assert Buffer(pattern(100_000)).capacity == before


def test_small_buffers_need_no_system_at_all() -> None:
    with refused(1, -1):
        for size in range(0, 3000, 50):
            buffer = Buffer(pattern(size)) + b"more"
            with memoryview(buffer) as view:
                assert view == pattern(size) + b"more"
            del buffer[:3]
            assert buffer == (pattern(size) + b"more")[3:]


def test_large_buffers_find_room_on_the_heap() -> None:
    growable.set_defaults()
    with refused(1, -1):
        buffer = Buffer(pattern(1_000_000))
        buffer += pattern(1_000_000)
    assert buffer == pattern(1_000_000) * 2
