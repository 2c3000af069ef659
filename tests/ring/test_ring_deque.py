"""RingBuffer beside collections.deque: the same random steps, the same items."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import pytest
from growable import RingBuffer, StateError

STEPS = (
    "append",
    "appendleft",
    "extend",
    "extendleft",
    "pop",
    "popleft",
    "clear",
    "rotate",
    "long",
)


def outcome(target: Any, step: str, argument: Any) -> Any:
    """Do one step; what it returned or raised."""
    if step == "long":
        step, argument = "extend", argument * 60
    try:
        if step in ("pop", "popleft", "clear"):
            return getattr(target, step)()
        return getattr(target, step)(argument)
    except IndexError:
        return IndexError


@pytest.mark.parametrize("seed", range(4))
def test_random_steps_like_deque(seed: int) -> None:
    choose = random.Random(seed)
    ring = RingBuffer(1, overwrite=True)
    model: deque[int] = deque(maxlen=ring.capacity)
    weights = [8, 8, 8, 8, 6, 6, 0.2, 1, 4]
    for number in range(1500):
        step = choose.choices(STEPS, weights)[0]
        argument: Any = choose.randrange(256)
        if step in ("extend", "extendleft", "long"):
            argument = choose.randbytes(choose.randrange(200))
        assert outcome(ring, step, argument) == outcome(model, step, argument), (number, step)
        assert ring[:] == bytes(model), (number, step)


def test_reading_like_deque() -> None:
    items = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]
    ring, model = RingBuffer(1), deque(items)
    ring.extend(items)
    assert list(ring) == list(model)
    assert list(reversed(ring)) == list(reversed(model))
    assert [ring.count(item) for item in range(10)] == [model.count(item) for item in range(10)]
    assert [item in ring for item in range(10)] == [item in model for item in range(10)]
    for arguments in ((5,), (5, 5), (5, -2), (1, 2, 8)):
        assert ring.index(*arguments) == model.index(*arguments)
    with pytest.raises(ValueError, match="not in"):
        ring.index(7)
    for turn in (1, -1, 5, 100, -100, 0):
        ring.rotate(turn)
        model.rotate(turn)
        assert list(ring) == list(model)
    RingBuffer(1).rotate()
    with pytest.raises(OverflowError):
        ring.rotate(1 << 64)
    with pytest.raises(TypeError):
        ring.rotate(1.0)
    view = ring.view(2, 3)
    with pytest.raises(BufferError):
        ring.rotate(1)
    ring.rotate(len(ring))
    del view
    assert list(ring) == list(model)


def test_rotate_without_both_ends_changes_nothing() -> None:
    writer = RingBuffer(1)
    reader = RingBuffer(1, section=writer.section)
    writer.write(b"abc")
    with pytest.raises(StateError):
        reader.rotate()
    assert reader.read() == b"abc"


def test_rotate_at_every_place() -> None:
    np = pytest.importorskip("numpy")
    ring: RingBuffer
    for dtype in (None, "S7"):
        ring = RingBuffer(1, dtype, overwrite=True)
        items: Any = np.arange(ring.capacity) % 251
        items = items.astype("u1").tobytes() if dtype is None else items.astype(dtype)
        for turn in (1, -3, 100, ring.capacity - 1):
            ring.extend(items)
            ring.extend(items[:77])
            model = deque([*items[77:], *items[:77]])
            ring.rotate(turn)
            model.rotate(turn)
            assert list(ring) == list(model)
