"""copy, deepcopy and pickle; out of band under protocol 5."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from array_support import data_of, same
from growable import Array, Buffer


class Noted(Array):
    """A subclass with a constructor and attributes of its own."""

    def __new__(cls, note: str) -> Noted:
        self = super().__new__(cls, [1.0, 2.0])
        self.note = note
        return self


class Slotted(Array):
    """A subclass with a slot."""

    __slots__ = ("extra",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_round_trip(case: Any, protocol: int) -> None:
    made = case.make(case.rows(5))
    again = pickle.loads(pickle.dumps(made, protocol))
    assert type(again) is Array
    assert again.dtype == made.dtype
    assert again.row_shape == made.row_shape
    assert again.tobytes() == made.tobytes()
    again.append(case.rows(1)[0])
    assert (len(again), len(made)) == (6, 5)


def test_capacity_is_kept() -> None:
    again = pickle.loads(pickle.dumps(Array([1.0], capacity=7)))
    assert again.capacity == 7
    assert copy.copy(Array([1.0], capacity=7)).capacity == 7


def test_out_of_band_copies_nothing_in_the_sender() -> None:
    made = Array(np.arange(100_000.0))
    parts: list[pickle.PickleBuffer] = []
    head = pickle.dumps(made, 5, buffer_callback=parts.append)
    assert len(head) < 1000
    assert len(parts) == 1
    sent = np.frombuffer(parts[0].raw())
    assert data_of(sent) == data_of(made.view())
    received = pickle.loads(head, buffers=[bytes(parts[0].raw())])
    assert same(received, made.view())
    received.append(1.0)


def test_out_of_band_within_the_process_is_the_same_memory() -> None:
    made = Array(np.arange(10.0))
    parts: list[pickle.PickleBuffer] = []
    head = pickle.dumps(made, 5, buffer_callback=parts.append)
    again = pickle.loads(head, buffers=parts)
    assert data_of(again.view()) == data_of(made.view())


@pytest.mark.parametrize("received", [b"", bytes(8), bytes(72), bytes(79), bytes(81), bytes(88)])
def test_buffers_of_another_length_are_refused(received: bytes) -> None:
    parts: list[pickle.PickleBuffer] = []
    head = pickle.dumps(Array(np.arange(10.0)), 5, buffer_callback=parts.append)
    with pytest.raises(ValueError, match=rf"10 rows of float64 take 80 .* has {len(received)}$"):
        pickle.loads(head, buffers=[received])
    assert len(pickle.loads(head, buffers=[bytes(80)])) == 10


def test_pickle_of_an_array_that_grows_before_its_buffer_is_sent() -> None:
    made = Array(np.arange(10.0))
    parts: list[pickle.PickleBuffer] = []
    head = pickle.dumps(made, 5, buffer_callback=parts.append)
    made.append(10.0)
    assert pickle.loads(head, buffers=parts).tolist() == list(range(10))


def test_copies_are_apart(case: Any) -> None:
    made = case.make(case.rows(5))
    for again in (made.copy(), copy.copy(made), copy.deepcopy(made)):
        assert same(again, case.rows(5))
        assert not np.shares_memory(again.view(), made.view())
        again.clear()
    assert same(made, case.rows(5))


def test_copies_under_a_view() -> None:
    made = Array([1.0])
    view = made.view()
    assert made.copy().tolist() == view.tolist()
    assert pickle.loads(pickle.dumps(made)).tolist() == [1.0]


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a))]
)
def test_subclass_keeps_what_it_has(duplicate: Any) -> None:
    noted = Noted("hello")
    again = duplicate(noted)
    assert type(again) is Noted
    assert again.note == "hello"
    assert again.tolist() == [1.0, 2.0]
    slotted = Slotted([1])
    slotted.extra = [5]
    again = duplicate(slotted)
    assert again.extra == [5]
    assert again.leftover == b""


def test_deepcopy_of_a_cycle() -> None:
    noted = Noted("x")
    noted.me = noted
    again = copy.deepcopy(noted)
    assert again.me is again


def test_released_array_cannot_be_pickled() -> None:
    made = Array([1.0])
    made.release()
    with pytest.raises(ValueError, match="released"):
        pickle.dumps(made)
    assert isinstance(made._buffer, Buffer)
