"""RingBuffer of NumPy items, and what the rings of PyPI do."""

from __future__ import annotations

from typing import Any

import pytest
from growable import RingBuffer

np = pytest.importorskip("numpy")

DTYPES = ["f8", "f4", ">i4", "i1", "u8", "?", "c16", "M8[ns]", "S3", [("a", "i2"), ("b", "f8")]]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_kind_of_item(dtype: Any) -> None:
    ring = RingBuffer(10, dtype, overwrite=True)
    values = np.frombuffer(bytes(range(1, 241)) * 4, np.uint8)
    size = np.dtype(dtype).itemsize
    values = (values[: len(values) // size * size] % 2).view(dtype)
    for turn in range(200):
        ring.extend(values)
        window = ring.view(-len(values))
        assert window.dtype == np.dtype(dtype)
        assert window.flags.c_contiguous
        assert window.flags.aligned or not np.zeros(1, dtype).flags.aligned
        assert window.tobytes() == values.tobytes(), turn
    del window
    last = ring[-1]
    assert ring.pop() == last == values[-1]
    ring.append(last)
    assert ring[-1] == last
    assert ring.read(3).dtype == np.dtype(dtype)


def test_rows() -> None:
    ring = RingBuffer(10, (float, 2))
    assert ring.shape == (0, 2)
    ring.append([1, 2])
    ring.extend([[3, 4], [5, 6]])
    assert ring.view().tolist() == [[1, 2], [3, 4], [5, 6]]
    assert ring[0].tolist() == [1, 2]
    assert ring[:, 0].tolist() == [1, 3, 5]
    assert ring.popleft().tolist() == [1, 2]
    assert [3, 4] in ring
    with pytest.raises(ValueError, match="shape"):
        ring.extend([1, 2, 3])
    with pytest.raises(ValueError, match="shape"):
        ring.append(1)


def test_like_the_rings_of_pypi() -> None:
    ring = RingBuffer(1, int, overwrite=True)
    ring.extend(range(ring.capacity))
    ring.append(-1)
    assert (ring[0], ring[-1], len(ring)) == (1, -1, ring.maxlen)
    ring.appendleft(-2)
    assert (ring[0], ring[-1]) == (-2, ring.capacity - 1)
    assert ring[np.array([0, 2, -1])].tolist() == [-2, 2, ring.capacity - 1]
    assert ring[:3].tolist() == [-2, 1, 2]
    ring.clear()
    ring.extendleft([1, 2, 3])
    assert list(ring) == [3, 2, 1], "as deque, and not as those of PyPI, which keep the order"
    full = RingBuffer(1, int)
    full.extend(np.zeros(full.capacity, int))
    for refused in (full.append, full.appendleft):
        with pytest.raises(IndexError):
            refused(1)
    for pop in (RingBuffer(1, int).pop, RingBuffer(1, int).popleft):
        with pytest.raises(IndexError, match="empty"):
            pop()


def test_arrays_of_it() -> None:
    ring = RingBuffer(10, "f8")
    ring.extend([1, 2, 3])
    array = np.asarray(ring)
    array[0] = 9
    assert ring[0] == 9
    with pytest.raises(BufferError):
        ring.popleft()
    del array
    assert ring.popleft() == 9
    assert np.asarray(ring, dtype="f4").dtype == np.float32
    assert float(np.sum(ring)) == 5
    assert np.array(ring).tolist() == [2, 3]
    assert np.asarray(RingBuffer(1)).dtype == np.uint8
    ring[0] = 7
    ring[1:] = 8
    assert ring[:].tolist() == [7, 8]
    assert ring.copy()[:].tolist() == [7, 8]


def test_a_copy_holds_up_nothing() -> None:
    ring = RingBuffer(10, "f8")
    ring.extend([1, 2, 3])
    kept = [ring[:], ring[0], ring.read(1), ring.popleft(), list(ring)]
    ring.clear()
    ring.extend([7, 7, 7])
    assert [np.ravel(value).tolist() for value in kept] == [[1, 2, 3], [1], [1], [2], [3]]


def test_spare_and_readinto() -> None:
    ring = RingBuffer(10, "f8")
    room = ring.spare(4)
    room[:] = [1, 2, 3, 4]
    ring.advance(3)
    del room
    into = np.zeros(2)
    assert ring.readinto(into) == 2
    assert into.tolist() == [1, 2]
    assert ring.read().tolist() == [3]


def test_items_that_cannot_be() -> None:
    for dtype in (object, "S0", [("a", object)]):
        with pytest.raises(TypeError):
            RingBuffer(10, dtype)
    ring = RingBuffer(10, "i4")
    for wrong in ([1.5], ["a"], [None], [1 << 40]):
        with pytest.raises((TypeError, ValueError, OverflowError)):
            ring.extend(wrong)
        with pytest.raises((TypeError, ValueError, OverflowError)):
            ring.append(wrong[0])
    assert len(ring) == 0
    with pytest.raises(ValueError, match="items in this Section"):
        RingBuffer(10, "f8", section=ring.section)
