"""Hypothesis plays Buffer against bytearray: every mutator, the readers, views held meanwhile.

Slower than fuzz.py and far less often, but what it finds comes as the shortest such program.
"""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from growable import Buffer
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)
from support import byte_after, start_of

DATA = st.one_of(
    st.binary(max_size=40),
    st.builds(lambda size, fill: bytes([fill]) * size, st.sampled_from([
        100, 255, 256, 257, 4094, 4095, 4096, 4097, 4098, 32_767, 32_768, 65_535, 65_537,
    ]), st.integers(0, 255)),
)  # fmt: skip
INDEX = st.integers(-50, 50) | st.integers(-70_000, 70_000)
BOUND = st.none() | INDEX
BYTE = st.integers(0, 255)
MOST = 400_000


def wrappings(data: bytes) -> list[Callable[[], Any]]:
    """Return ways to hand over the same bytes."""
    return [
        lambda: data,
        lambda: bytearray(data),
        lambda: memoryview(data),
        lambda: Buffer(data),
        lambda: list(data),
        lambda: iter(data),
    ]


class Held:
    """A view of the buffer, and which bytes of it."""

    def __init__(self, view: memoryview, start: int, stop: int) -> None:
        self.view = view
        self.start = start
        self.stop = stop


class BufferMachine(RuleBasedStateMachine):
    """A Buffer beside a bytearray that is never exported."""

    views = Bundle("views")

    @initialize(data=DATA, capacity=st.booleans())
    def make(self, data: bytes, capacity: bool) -> None:
        self.ours = Buffer(data, capacity=1 << 20) if capacity else Buffer(data)
        self.model = bytearray(data)
        self.held: list[Held] = []

    def both(self, operate: Callable[[Any], Any], *, grows: bool = False) -> None:
        """Do it to both; where an exported bytearray refuses, ours may grow at the end only."""
        expected = bytearray(self.model)
        with memoryview(expected) if self.held and not grows else nullcontext():
            wanted = self.attempt(operate, expected)
        got = self.attempt(operate, self.ours)
        if wanted[1] is None:
            self.model[:] = expected
        assert got == wanted

    @staticmethod
    def attempt(operate: Callable[[Any], Any], target: Any) -> tuple[Any, Any]:
        try:
            return operate(target), None
        except Exception as error:
            return None, (type(error), str(error))

    @rule(value=BYTE)
    def append(self, value: int) -> None:
        self.both(lambda b: b.append(value), grows=True)

    @precondition(lambda self: len(self.model) < MOST)
    @rule(data=DATA, way=st.integers(0, 5))
    def extend(self, data: bytes, way: int) -> None:
        self.both(lambda b: b.extend(wrappings(data)[way]()), grows=True)

    @precondition(lambda self: len(self.model) < MOST)
    @rule(data=DATA, way=st.integers(0, 3))
    def inplace_add(self, data: bytes, way: int) -> None:
        def add(b: Any) -> bool:
            before = b
            b += wrappings(data)[way]()
            return before is b

        self.both(add, grows=True)

    @precondition(lambda self: len(self.model) < MOST // 3)
    @rule(times=st.integers(-1, 3))
    def inplace_multiply(self, times: int) -> None:
        self.both(lambda b: b.__imul__(times) is b, grows=times > 0)

    @precondition(lambda self: len(self.model) < MOST)
    @rule(way=st.integers(0, 2))
    def extend_with_itself(self, way: int) -> None:
        content = bytes(self.model)
        (
            lambda: self.ours.extend(self.ours),
            lambda: self.ours.extend(memoryview(self.ours)),
            lambda: self.ours.__iadd__(memoryview(self.ours)),
        )[way]()
        self.model += content

    @rule(index=INDEX, value=BYTE)
    def insert(self, index: int, value: int) -> None:
        grows = index >= len(self.model) or not self.model
        self.both(lambda b: b.insert(index, value), grows=grows)

    @rule(index=INDEX)
    def pop(self, index: int) -> None:
        self.both(lambda b: b.pop(index))

    @rule()
    def pop_last(self) -> None:
        self.both(lambda b: b.pop())

    @rule(value=BYTE)
    def remove(self, value: int) -> None:
        self.both(lambda b: b.remove(value))

    @rule()
    def clear(self) -> None:
        self.both(lambda b: b.clear())

    @rule()
    def reverse(self) -> None:
        self.both(lambda b: b.reverse())

    @rule(index=INDEX, value=BYTE)
    def set_item(self, index: int, value: int) -> None:
        self.both(lambda b: b.__setitem__(index, value))

    @precondition(lambda self: len(self.model) < MOST)
    @rule(start=BOUND, stop=BOUND, data=DATA, way=st.integers(0, 5))
    def set_slice(self, start: int | None, stop: int | None, data: bytes, way: int) -> None:
        first, last, _ = slice(start, stop).indices(len(self.model))
        last = max(first, last)
        grows = last == len(self.model) and len(data) >= last - first
        self.both(lambda b: b.__setitem__(slice(start, stop), wrappings(data)[way]()), grows=grows)

    @rule(start=BOUND, stop=BOUND, step=st.integers(-4, 4), data=st.binary(max_size=20))
    def set_extended_slice(
        self, start: int | None, stop: int | None, step: int, data: bytes
    ) -> None:
        part = slice(start, stop, step)
        if step == 1:
            return
        self.both(lambda b: b.__setitem__(part, data))

    @rule(index=INDEX)
    def delete_item(self, index: int) -> None:
        self.both(lambda b: b.__delitem__(index))

    @rule(start=BOUND, stop=BOUND, step=st.sampled_from([None, 1, 2, 3, -1, -2]))
    def delete_slice(self, start: int | None, stop: int | None, step: int | None) -> None:
        self.both(lambda b: b.__delitem__(slice(start, stop, step)))

    @rule(size=st.integers(0, 300) | st.sampled_from([4095, 4096, 4097, 65_536]))
    def resize(self, size: int) -> None:
        before = len(self.model)
        if self.held and size < before:
            with pytest.raises(BufferError):
                self.ours.resize(size)
            return
        self.ours.resize(size)
        del self.model[size:]
        self.model += bytes(max(0, size - before))

    @precondition(lambda self: not self.held)
    @rule(count=st.none() | st.integers(0, 100))
    def take_bytes(self, count: int | None) -> None:
        count = None if count is None else min(count, len(self.model))
        expected = bytes(self.model[:count])
        del self.model[:count]
        got = self.ours.take_bytes() if count is None else self.ours.take_bytes(count)
        assert got == expected

    @precondition(lambda self: len(self.model) < MOST)
    @rule(data=DATA, more=st.integers(0, 100), keep=st.booleans())
    def spare_and_advance(self, data: bytes, more: int, keep: bool) -> None:
        with self.ours.spare(len(data) + more) as tail:
            assert not any(tail)
            tail[: len(data)] = data
            tail[len(data) :] = b"\xee" * more
            self.ours.advance(len(data))
        self.model += data
        if keep and more:
            self.ours.advance(more)
            self.model += b"\xee" * more

    @precondition(lambda self: len(self.model) < MOST)
    @rule(data=DATA)
    def read_from(self, data: bytes) -> None:
        assert self.ours.read_from(io.BytesIO(data)) == len(data)
        self.model += data

    @rule()
    def manage(self) -> None:
        self.ours.ensure(100)
        self.ours.shrink_to_fit()

    @rule(target=views, start=st.integers(0, 100), stop=st.integers(0, 70_000))
    def take_view(self, start: int, stop: int) -> Held:
        stop = min(stop, len(self.model))
        start = min(start, stop)
        held = Held(memoryview(self.ours)[start:stop], start, stop)
        self.held.append(held)
        return held

    @rule(held=views, where=st.integers(0, 1000), value=BYTE)
    def write_through_view(self, held: Held, where: int, value: int) -> None:
        if held in self.held and held.start < held.stop:
            where %= held.stop - held.start
            held.view[where] = value
            self.model[held.start + where] = value

    @rule(held=consumes(views))
    def drop_view(self, held: Held) -> None:
        if held in self.held:
            held.view.release()
            self.held.remove(held)

    @rule()
    def drop_all_views(self) -> None:
        while self.held:
            self.held.pop().view.release()

    @rule(what=st.binary(max_size=3), start=BOUND, stop=BOUND)
    def search(self, what: bytes, start: int | None, stop: int | None) -> None:
        for name in ("find", "rfind", "count", "startswith", "endswith", "index"):
            self.both(lambda b, name=name: getattr(b, name)(what, start, stop))

    @rule(start=BOUND, stop=BOUND, step=st.sampled_from([None, 1, 2, -1]))
    def read_slice(self, start: int | None, stop: int | None, step: int | None) -> None:
        self.both(lambda b: b[start:stop:step])

    @rule(index=INDEX)
    def read_item(self, index: int) -> None:
        self.both(lambda b: b[index])

    @rule(other=DATA)
    def operators(self, other: bytes) -> None:
        self.both(lambda b: (b + other, b < other, b == other, other in b, len(b), bool(b)))

    @precondition(lambda self: len(self.model) < 10_000)
    @rule()
    def conversions(self) -> None:
        self.both(
            lambda b: (b.hex(), b.upper(), b.split(), b.strip(), b.decode("latin-1"), list(b))
        )

    @precondition(lambda self: len(self.model) < 10_000)
    @rule(protocol=st.integers(0, 5))
    def copies(self, protocol: int) -> None:
        for other in (
            copy.copy(self.ours),
            copy.deepcopy(self.ours),
            pickle.loads(pickle.dumps(self.ours, protocol)),
        ):
            assert type(other) is Buffer
            assert other == self.model

    @invariant()
    def contents_agree(self) -> None:
        if not hasattr(self, "ours"):
            return
        assert len(self.ours) == len(self.model)
        assert self.ours == self.model
        assert len(self.ours) <= self.ours.committed <= self.ours.capacity
        assert start_of(self.ours)
        assert byte_after(self.ours) == 0
        assert self.ours.exports == len(self.held)
        for held in self.held:
            assert held.view == self.model[held.start : held.stop]

    def teardown(self) -> None:
        for held in getattr(self, "held", []):
            held.view.release()


BufferMachine.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestBuffer = BufferMachine.TestCase
