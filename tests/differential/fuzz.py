"""A fast differential fuzzer: random operations on a Buffer and on a built-in bytearray.

    python tests/differential/fuzz.py --seconds 60 --seed 1 [--json]

A run is a sequence of episodes. Each makes one Buffer, and a bytearray as its model, and applies
some hundred random operations to both, with exported views held over them. After every operation
the results (or the exceptions, with their messages), the whole contents, the byte past the end and
every view are compared.

What Buffer may do and bytearray may not is judged by two runs of the built-in: one that is
exported and one that is not. Where the exported one succeeds or raises something other than
BufferError, ours must do just that. Where it raises BufferError, ours must do what the free one
does if the operation only grows at the end, and else raise BufferError with the same message.

Re-entrant operations (an `__index__`, an iterator, a `__buffer__` that mutates the buffer it is an
argument of) are not run on the built-in, which corrupts memory in some of them. There ours must
give a result or an exception, keep its invariants, and keep what its views show.

Everything derives from the seed and the number of the episode, so `--seed S --episode E` repeats
one. The work is done in a child process: when that dies, the parent names the episode.
"""

from __future__ import annotations

import argparse
import array
import codecs
import copy
import ctypes
import faulthandler
import io
import json
import operator
import os
import pickle
import random
import re
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import growable
from growable import Buffer

EXPORTED = "Existing exports of data: object cannot be re-sized"
HUGE = 1 << 62
as_string = ctypes.pythonapi.PyByteArray_AsString
as_string.restype = ctypes.c_void_p
as_string.argtypes = [ctypes.py_object]
EMPTY = as_string(bytearray())  # one byte that all empty bytearrays share

Attempt = tuple[bool, Any]
Function = Callable[[Any], Any]


class Difference(Exception):
    """Ours did not do what it must."""


class Operation:
    """One operation: what to do to ours, what to the model, and how to judge it.

    `grows`: it does nothing but grow at the end, so an export is no obstacle to ours.
    `either`: an exported buffer may refuse it or do it. `own`: the result is of our type.
    """

    __slots__ = ("either", "grows", "model", "name", "ours", "own", "reads")

    def __init__(
        self,
        name: str,
        ours: Function,
        model: Function | None = None,
        *,
        grows: bool = False,
        either: bool = False,
        own: bool = False,
        reads: bool = False,
    ) -> None:
        self.name = name
        self.ours = ours
        self.model = model or ours
        self.grows = grows
        self.either = either
        self.own = own
        self.reads = reads


def attempt(function: Function, target: Any) -> Attempt:
    """Return (True, result) or (False, exception)."""
    try:
        return True, function(target)
    except Exception as error:
        return False, error


def normal(error: BaseException) -> str:
    """Return the message of an error with our name replaced by bytearray's."""
    text = str(error).replace("growable._core.Buffer", "bytearray")
    return text.replace("growable.Buffer", "bytearray").replace("Buffer", "bytearray")


def same_error(ours: Any, model: Any) -> bool:
    """Return whether ours is the built-in's exception, or a subclass for lack of memory."""
    if isinstance(model, MemoryError):
        return isinstance(ours, MemoryError)
    return type(ours) is type(model) and normal(ours) == normal(model)


def same_value(op: Operation, ours: Any, model: Any) -> bool:
    """Return whether two results agree in type and value."""
    if type(ours) is Buffer:
        return op.own and type(model) is bytearray and bytearray.__eq__(ours, model) is True
    if type(ours) is not type(model):
        return False
    if isinstance(ours, tuple | list) and len(ours) == len(model):
        return all(same_value(op, a, b) for a, b in zip(ours, model, strict=True))
    return bool(ours == model)


class Hint:
    """An iterable whose `__length_hint__` lies."""

    def __init__(self, items: bytes, hint: Any) -> None:
        self.items = iter(items)
        self.hint = hint

    def __iter__(self) -> Hint:
        return self

    def __next__(self) -> int:
        return next(self.items)

    def __length_hint__(self) -> Any:
        return self.hint


class Index:
    """An integer that is not an int."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


def failing(items: bytes) -> Iterator[int]:
    """Give some bytes, then fail."""
    yield from items
    raise ZeroDivisionError("half-way")


def model_resize(model: bytearray, size: int) -> None:
    """Do what bytearray.resize() of 3.14 does."""
    size = operator.index(size)
    if size < 0:
        raise ValueError(f"bytearray.resize(): new size must be >= 0, got {size}")
    if size <= len(model):
        del model[size:]
    else:
        model.extend(bytes(size - len(model)))


def model_take_bytes(model: bytearray, count: int | None) -> bytes:
    """Do what bytearray.take_bytes() of 3.15 does."""
    size = len(model)
    taken = size if count is None else operator.index(count)
    if taken < 0:
        taken += size
    if not 0 <= taken <= size:
        raise IndexError("outside")
    result = bytes(model[:taken])
    del model[:taken]
    return result


def taking(target: Any, count: int | None) -> bytes:
    """Take bytes from either; the wording of the error is not compared."""
    try:
        if isinstance(target, Buffer):
            return target.take_bytes() if count is None else target.take_bytes(count)
        return model_take_bytes(target, count)
    except IndexError:
        raise IndexError("outside") from None


class View:
    """A held export, and which bytes of the model it must show."""

    __slots__ = ("start", "stop", "view")

    def __init__(self, view: Any, start: int, stop: int) -> None:
        self.view = view
        self.start = start
        self.stop = stop


class Evil:
    """An argument that runs a mutation of the buffer wherever the interpreter asks it something.

    What the mutation raises is swallowed or let through, as the episode's dice have it.
    """

    def __init__(self, episode: Episode, value: int = 0, data: bytes = b"ab") -> None:
        self.episode = episode
        self.value = value
        self.data = data
        self.left = 3

    def act(self) -> None:
        if self.left > 0:
            self.left -= 1
            self.episode.strike()

    def __index__(self) -> int:
        self.act()
        return self.value

    def __iter__(self) -> Evil:
        self.act()
        return self

    def __next__(self) -> int:
        self.act()
        if self.left <= 0:
            raise StopIteration
        return self.value & 0xFF

    def __length_hint__(self) -> int:
        self.act()
        return self.value

    def __bool__(self) -> bool:
        self.act()
        return bool(self.value)

    def __bytes__(self) -> bytes:
        self.act()
        return self.data

    def __str__(self) -> str:
        self.act()
        return "text"

    def __eq__(self, other: object) -> bool:
        self.act()
        return False

    def __lt__(self, other: object) -> bool:
        self.act()
        return True

    __gt__ = __le__ = __ge__ = __lt__
    __hash__ = object.__hash__

    def __radd__(self, other: object) -> bytes:
        self.act()
        return b""

    def readinto(self, target: Any) -> int:
        self.act()
        count = min(len(target), len(self.data), 3)
        target[:count] = self.data[:count]
        self.data = self.data[count:]
        return count

    if sys.version_info >= (3, 12):

        def __buffer__(self, flags: int) -> memoryview:
            self.act()
            return memoryview(self.data)

        def __release_buffer__(self, view: memoryview) -> None:
            self.act()


class Liar:
    """A source of read_from() whose readinto() returns nonsense, once."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def readinto(self, target: Any) -> Any:
        answer, self.answer = self.answer, 0
        return answer


SMALL = (0, 1, 2, 3, 5, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 255, 256, 257, 300)
EDGES = tuple(
    base + offset
    for base in (512, 1024, 4096, 8192, 16384, 32768, 65536, 131072)
    for offset in (-2, -1, 0, 1, 2)
)
LARGE = tuple((1 << 21) * times + offset for times in (1, 2) for offset in (-2, -1, 0, 1, 2))
BLOB = bytes(random.Random(0).randbytes(1 << 23))
WORDS = (b"", b"a", b"ab", b" ", b"\n", b"\x00", b"\xff", b"abc", b"\t", b"12", b" 7 ", b"%d")


class Episode:
    """One buffer, its model, and the operations on them."""

    def __init__(self, seed: int, number: int, verbose: bool) -> None:
        self.random = random.Random(f"{seed}:{number}")
        self.verbose = verbose
        self.views: list[View] = []
        self.iterators: list[tuple[Iterator[int], Iterator[int]]] = []
        self.step = 0
        self.last = ""
        self.over = False
        self.strikes = 0
        dice = self.random.random()
        if dice < 0.80:
            self.sizes: tuple[int, ...] = SMALL
            self.most, self.steps = 700, 250
        elif dice < 0.985:
            self.sizes = SMALL + EDGES
            self.most, self.steps = 300_000, 120
        else:
            self.sizes = LARGE + EDGES
            self.most, self.steps = 10 << 20, 40
        content = self.content(self.random.choice(self.sizes))
        if self.random.random() < 0.25:
            capacity = self.most * 2 + 20_000 + self.random.choice((0, 1, 7, 4095, 4096))
            self.ours = Buffer(content, capacity=capacity)
        else:
            self.ours = Buffer(content)
        self.model = bytearray(content)

    # Arguments.

    def content(self, size: int) -> bytes:
        if size < 40 and self.random.random() < 0.3:
            return b"".join(self.random.choices(WORDS, k=8))[:size]
        start = self.random.randrange(len(BLOB) - size)
        return BLOB[start : start + size]

    def some(self) -> bytes:
        if len(self.model) > self.most // 2 or self.random.random() < 0.7:
            return self.content(self.random.choice(SMALL))
        return self.content(self.random.choice(self.sizes))

    def index(self) -> Any:
        dice = self.random.random()
        size = len(self.model)
        if dice < 0.7 and size:
            return self.random.randrange(-size, size)
        if dice < 0.9:
            return self.random.choice((0, -1, size, size - 1, -size, -size - 1, size + 1, 1))
        return self.random.choice((HUGE, -HUGE, 1 << 70, -(1 << 70), Index(0), Index(size), None))

    def bound(self) -> Any:
        return None if self.random.random() < 0.2 else self.index()

    def byte(self) -> Any:
        if self.random.random() < 0.9:
            return self.random.randrange(256)
        return self.random.choice((256, -1, 1 << 70, None, "a", b"a", 1.5, Index(65), Index(300)))

    def slice(self) -> slice:
        dice = self.random.random()
        if dice < 0.6:
            return slice(self.bound(), self.bound())
        if dice < 0.75:
            return slice(None, self.random.choice((0, 1, 2, 16, 100, 4096, 5000)))
        if dice < 0.85:
            return slice(self.random.choice((0, 1, 2, 16, 100, 4096, -1, -5)), None)
        step = self.random.choice((1, 2, 3, -1, -2, 7, 0, HUGE, -HUGE, 4096))
        return slice(self.bound(), self.bound(), step)

    def values(self) -> Any:
        """Return something that bytes can be made of, or not."""
        data = self.some()
        dice = self.random.randrange(14)
        if dice < 4:
            return data
        short = data[:64]
        choices: list[Callable[[], Any]] = [
            lambda: bytearray(data),
            lambda: memoryview(data),
            lambda: array.array("B", data),
            lambda: array.array("H", data[: len(data) & ~1]),
            lambda: list(short),
            lambda: tuple(short),
            lambda: memoryview(data)[::2],
            lambda: Buffer(data),
            lambda: [*short, 256],
            lambda: [1, None],
        ]
        return choices[dice - 4]()

    def iterable(self) -> Function:
        """Return what makes the same iterable twice."""
        data = self.content(self.random.choice(SMALL))
        return self.random.choice(
            (
                lambda _: iter(data),
                lambda _: (x for x in data),
                lambda _: failing(data),
                lambda _: map(int, data),
                lambda _: [*data, -1],
                lambda _: set(data[:3]),
                lambda _: iter([1, "a"]),
                lambda _: "text",
                lambda _: 5,
                lambda _: None,
                lambda _: 1.5,
                lambda _: object(),
            )
        )

    # Operations that change the buffer.

    def op_append(self) -> Operation:
        value = self.byte()
        return Operation(f"append({value!r})", lambda b: b.append(value), grows=True)

    def op_extend(self) -> Operation:
        values = self.values()
        return Operation("extend(values)", lambda b: b.extend(values), grows=True)

    def op_extend_iterable(self) -> Operation:
        make = self.iterable()
        return Operation("extend(iterable)", lambda b: b.extend(make(b)), grows=True)

    def op_extend_self(self) -> Operation:
        which = self.random.randrange(6)
        cut = self.random.randrange(len(self.model) + 1)
        ours: tuple[Function, ...] = (
            lambda b: b.extend(b),
            lambda b: b.extend(memoryview(b)),
            lambda b: b.extend(memoryview(b)[cut:]),
            lambda b: b.extend(iter(b)),
            lambda b: b.extend(reversed(b)),
            lambda b: b.extend(memoryview(b)[::-1]),
        )
        model: tuple[Function, ...] = (
            lambda b: b.extend(bytes(b)),
            lambda b: b.extend(bytes(b)),
            lambda b: b.extend(bytes(b)[cut:]),
            lambda b: b.extend(bytes(b)),
            lambda b: b.extend(bytes(b)[::-1]),
            lambda b: b.extend(memoryview(bytes(b))[::-1]),
        )
        return Operation(f"extend(self {which})", ours[which], model[which], grows=True)

    def op_iadd(self) -> Operation:
        values = self.values()
        do = self.random.choice((operator.iadd, operator.iconcat, lambda b, v: b.__iadd__(v)))
        return Operation("+= values", lambda b: do(b, values) is b, grows=True)

    def op_iadd_self(self) -> Operation:
        which = self.random.randrange(3)
        ours: tuple[Function, ...] = (
            lambda b: operator.iadd(b, b) is b,
            lambda b: operator.iadd(b, memoryview(b)) is b,
            lambda b: operator.iconcat(b, memoryview(b)[1:]) is b,
        )
        model: tuple[Function, ...] = (
            lambda b: operator.iadd(b, bytes(b)) is b,
            lambda b: operator.iadd(b, bytes(b)) is b,
            lambda b: operator.iadd(b, bytes(b)[1:]) is b,
        )
        return Operation(f"+= self {which}", ours[which], model[which], grows=True)

    def op_imul(self) -> Operation:
        times = self.random.choice((-1, 0, 1, 1, 2, 2, 3, 4, HUGE, 1 << 70, None, 1.5, Index(2)))
        if len(self.model) > self.most // 4 and times not in (0, 1, -1, None, 1.5):
            times = 1
        return Operation(
            f"*= {times!r}",
            lambda b: operator.imul(b, times) is b,
            grows=not isinstance(times, int) or 1 <= times < HUGE,
            either=times == HUGE,
        )

    def op_insert(self) -> Operation:
        where, value = self.index(), self.byte()
        at = where.value if isinstance(where, Index) else where
        grows = isinstance(at, int) and (at >= len(self.model) or not self.model)
        return Operation(
            f"insert({where!r}, {value!r})", lambda b: b.insert(where, value), grows=grows
        )

    def op_pop(self) -> Operation:
        where = self.index()
        if self.random.random() < 0.5:
            return Operation("pop()", lambda b: b.pop())
        return Operation(f"pop({where!r})", lambda b: b.pop(where))

    def op_remove(self) -> Operation:
        value = self.byte()
        if self.model and self.random.random() < 0.5:
            value = self.random.choice(self.model[:300])
        return Operation(f"remove({value!r})", lambda b: b.remove(value))

    def op_clear(self) -> Operation:
        return Operation("clear()", lambda b: b.clear())

    def op_reverse(self) -> Operation:
        return Operation("reverse()", lambda b: b.reverse())

    def op_set_item(self) -> Operation:
        where, value = self.index(), self.byte()
        return Operation(f"[{where!r}] = {value!r}", lambda b: operator.setitem(b, where, value))

    def _at_end(self, part: slice) -> bool:
        """Whether assigning more bytes to the slice moves nothing."""
        try:
            _, stop, step = part.indices(len(self.model))
            start = part.indices(len(self.model))[0]
        except (TypeError, ValueError):
            return False
        return step == 1 and max(start, stop) >= len(self.model)

    def op_set_slice(self) -> Operation:
        part, values = self.slice(), self.values()
        if self.random.random() < 0.15:
            values = self.random.choice((5, None, "text", 1.5, object(), -1))
        return Operation(
            f"[{part}] = values of {getattr(values, '__len__', lambda: '?')()}",
            lambda b: operator.setitem(b, part, values),
            grows=self._at_end(part) and self._longer(part, values),
        )

    def _longer(self, part: slice, values: Any) -> bool:
        try:
            start, stop, _ = part.indices(len(self.model))
            return len(bytes(values)) >= max(stop - start, 0)
        except (TypeError, ValueError):
            return True

    def op_set_slice_same(self) -> Operation:
        size = len(self.model)
        start = self.random.randrange(size + 1)
        stop = self.random.randrange(start, min(size, start + 300) + 1)
        values = self.content(stop - start)
        return Operation(
            "[i:j] = as many", lambda b: operator.setitem(b, slice(start, stop), values)
        )

    def op_set_slice_iterable(self) -> Operation:
        part, make = self.slice(), self.iterable()
        return Operation(
            f"[{part}] = iterable", lambda b: operator.setitem(b, part, make(b)), either=True
        )

    def op_set_slice_self(self) -> Operation:
        part, size = self.slice(), len(self.model)
        which = self.random.randrange(3)
        ours: Function = (
            lambda b: operator.setitem(b, part, b),
            lambda b: operator.setitem(b, part, memoryview(b)),
            lambda b: operator.setitem(b, part, memoryview(b)[size // 2 :]),
        )[which]
        model: Function = (
            lambda b: operator.setitem(b, part, bytes(b)),
            lambda b: operator.setitem(b, part, bytes(b)),
            lambda b: operator.setitem(b, part, bytes(b)[size // 2 :]),
        )[which]
        length = (size, size, size - size // 2)[which]
        grows = self._at_end(part) and self._longer(part, bytes(length))
        op = Operation(f"[{part}] = self {which}", ours, model, grows=grows)
        # A view of the buffer itself is an export of it: then the rules for exports hold.
        op.either = which > 0 and not grows
        return op

    def op_del_item(self) -> Operation:
        where = self.index()
        return Operation(f"del [{where!r}]", lambda b: operator.delitem(b, where))

    def op_del_slice(self) -> Operation:
        part = self.slice()
        return Operation(f"del [{part}]", lambda b: operator.delitem(b, part))

    def op_del_front(self) -> Operation:
        count = self.random.choice((1, 2, 10, 100, 1000, 4096, 5000, 70000))
        return Operation(f"del [:{count}]", lambda b: operator.delitem(b, slice(None, count)))

    def op_init(self) -> Operation:
        values = self.values() if self.random.random() < 0.8 else self.random.randrange(300)

        def initialize(model: bytearray) -> None:
            # The built-in empties itself first and stays so when the values are wrong.
            model[:] = bytearray(values)

        return Operation("__init__(values)", lambda b: b.__init__(values), initialize, either=True)

    def op_resize(self) -> Operation:
        size = self.random.choice((*self.sizes, -1, len(self.model), len(self.model) + 1))
        size = min(size, self.most)

        def resize(b: Any) -> None:
            b.resize(size) if isinstance(b, Buffer) else model_resize(b, size)

        return Operation(f"resize({size})", resize, grows=size >= len(self.model))

    def op_take_bytes(self) -> Operation:
        size = len(self.model)
        count = self.random.choice((None, 0, 1, 2, size, size + 1, -1, -size, -size - 1))
        return Operation(f"take_bytes({count})", lambda b: taking(b, count), either=True)

    def op_spare(self) -> Operation:
        data, more = self.some(), self.random.choice((0, 0, 1, 10, 5000))

        def fill(b: Any) -> None:
            if not isinstance(b, Buffer):
                b.extend(data)
                return
            with b.spare(len(data) + more) as tail:
                if any(tail[: 1 << 14]) or len(tail) != len(data) + more:
                    raise Difference("spare() lent bytes that are not zero, or not as many")
                tail[: len(data)] = data
            b.advance(len(data))

        return Operation(f"spare({len(data)}+{more})", fill, grows=True)

    def op_spare_dirty(self) -> Operation:
        """Write into the tail and take nothing: it must read as zero when it is next grown into."""
        count = self.random.choice((1, 100, 5000))

        def dirty(b: Any) -> None:
            if isinstance(b, Buffer):
                with b.spare(count) as tail:
                    tail[:] = b"\xee" * count
                b.advance(0)

        return Operation("spare() and leave it dirty", dirty, grows=True)

    def op_read_from(self) -> Operation:
        data = self.some()

        def read(b: Any) -> int:
            if isinstance(b, Buffer):
                count = b.read_from(io.BytesIO(data))
                return -1 if count is None else count
            b.extend(data)
            return len(data)

        return Operation(f"read_from({len(data)})", read, grows=True)

    def op_manage(self) -> Operation:
        amount = self.random.choice((0, 1, 100, 5000))
        ours: Function = self.random.choice(
            (
                lambda b: b.ensure(amount),
                lambda b: b.shrink_to_fit(),
                lambda b: b.__sizeof__() >= 0 and None,
                lambda b: b.__alloc__() > len(b) and None,
                lambda b: b.capacity >= len(b) and None,
            )
        )
        return Operation("manage", ours, lambda b: None)

    def op_pin(self) -> Operation:
        def pinned(b: Any) -> bool:
            return bool(b.address == as_string(b))

        return Operation("address", pinned, lambda b: True)

    # Operations that only read.

    def op_search(self) -> Operation:
        name = self.random.choice(
            ("find", "rfind", "index", "rindex", "count", "startswith", "endswith")
        )
        what: Any = self.random.choice((*WORDS, self.byte(), None, bytearray(b"a"), (b"a", b"")))
        if self.model and self.random.random() < 0.4:
            start = self.random.randrange(len(self.model))
            what = bytes(self.model[start : start + 3])
        args = (what, self.bound(), self.bound())[: self.random.randrange(1, 4)]
        return Operation(f"{name}{args}", operator.methodcaller(name, *args), reads=True)

    def op_convert(self) -> Operation:
        name, args = self.random.choice(
            (
                ("upper", ()), ("lower", ()), ("title", ()), ("swapcase", ()), ("capitalize", ()),
                ("strip", ()), ("lstrip", (b"a ",)), ("rstrip", (None,)), ("isalpha", ()),
                ("isdigit", ()), ("isspace", ()), ("islower", ()), ("isascii", ()), ("hex", ()),
                ("hex", (":", 2)), ("copy", ()), ("split", ()), ("split", (b"a", 3)),
                ("rsplit", (b"\xff", 2)), ("splitlines", ()), ("splitlines", (True,)),
                ("partition", (b"a",)), ("rpartition", (b"ab",)), ("partition", (b"",)),
                ("replace", (b"a", b"bcd")), ("replace", (b"", b"-", 3)), ("expandtabs", ()),
                ("translate", (None, b"abc")), ("translate", (bytes(range(255, -1, -1)),)),
                ("translate", (b"short",)), ("center", (20,)), ("ljust", (30, b"-")),
                ("rjust", (9,)),
                ("zfill", (40,)), ("removeprefix", (b"a",)), ("removesuffix", (b"\n",)),
                ("join", ([b"x", b"y", b"z"],)), ("join", ([b"x", 1],)), ("decode", ("latin-1",)),
                ("decode", ("ascii",)), ("decode", ("utf-8", "replace")), ("nonsense", ()),
            )
        )  # fmt: skip
        return Operation(f"{name}{args}", operator.methodcaller(name, *args), reads=True)

    def op_read(self) -> Operation:
        where, part, other = self.index(), self.slice(), self.some()
        function: Function = self.random.choice(
            (
                len, bytes, lambda b: b[where], lambda b: b[part], lambda b: b + other,
                lambda b: other + b if len(b) < 5000 else None, lambda b: b == other,
                lambda b: b < other, lambda b: b >= bytes(b), lambda b: b == bytes(b),
                lambda b: b != memoryview(b), lambda b: other in b, lambda b: b in b,
                lambda b: 300 in b, lambda b: 65 in b, lambda b: None in b, hash,
                lambda b: b * 2 if len(b) < 5000 else None, lambda b: 0 * b, lambda b: b + 5,
                lambda b: list(b) if len(b) < 5000 else None, lambda b: sum(b[:50]), bool,
                lambda b: bytes(reversed(b)) if len(b) < 5000 else None, zlib.crc32,
                lambda b: re.search(rb"a+|\xff", b) is None, lambda b: max(b[:300], default=0),
                lambda b: int(b) if len(b) < 200 else None,
                lambda b: float(b) if len(b) < 200 else None,
                lambda b: struct.unpack_from("<H", b, 1), lambda b: bytes(memoryview(b)[1:]),
                lambda b: repr(bytearray(b)) if len(b) < 300 else None,
                lambda b: b.find(b), lambda b: b.join([b, b]) if len(b) < 200 else None,
                lambda b: b % () if len(b) < 300 else None, lambda b: bytearray(b),
            )
        )  # fmt: skip
        return Operation("read", function, reads=True)

    def op_repr(self) -> Operation:
        def shown(b: Any) -> str | None:
            return repr(b).replace("Buffer(", "bytearray(") if len(b) <= 256 else None

        return Operation("repr()", shown, reads=True)

    def op_copy(self) -> Operation:
        protocol = self.random.randrange(6)
        function: Function = self.random.choice(
            (
                copy.copy,
                copy.deepcopy,
                lambda b: pickle.loads(pickle.dumps(b, protocol)),
            )
        )
        return Operation(f"copy or pickle {protocol}", function, own=True, reads=True)

    def op_iterate(self) -> Operation:
        if len(self.iterators) < 3 and self.random.random() < 0.4:
            self.iterators.append((iter(self.ours), iter(self.model)))
        if not self.iterators:
            return Operation("no iterator", lambda b: None, reads=True)
        position = self.random.randrange(len(self.iterators))
        ours, model = self.iterators[position]
        if self.random.random() < 0.2:
            del self.iterators[position]
        return Operation(
            "next(iterator)", lambda b: next(ours, None), lambda b: next(model, None), reads=True
        )

    OPERATIONS = (
        *(op_append, op_extend, op_iadd) * 3,
        *(op_set_slice, op_del_slice, op_set_item, op_insert, op_pop, op_del_front) * 2,
        op_extend_iterable, op_extend_self, op_iadd_self, op_imul, op_remove, op_clear, op_reverse,
        op_set_slice_same, op_set_slice_iterable, op_set_slice_self, op_del_item, op_init,
        op_resize, op_take_bytes, op_spare, op_spare_dirty, op_read_from, op_manage,
        *(op_search, op_convert, op_read) * 2,
        op_repr, op_copy, op_iterate,
    )  # fmt: skip

    # Views.

    def change_views(self) -> None:
        """Take a view, write through one, or drop one."""
        dice = self.random.random()
        if len(self.views) < 6 and dice < 0.35:
            self.take_view()
        elif self.views and dice < 0.65:
            self.write_through(self.random.choice(self.views))
        elif self.views:
            self.drop_view(self.random.randrange(len(self.views)))

    def take_view(self) -> None:
        size = len(self.ours)
        start = self.random.choice((0, 0, self.random.randrange(size + 1)))
        stop = self.random.choice((size, size, self.random.randrange(start, size + 1)))
        whole = memoryview(self.ours)
        kind = self.random.randrange(4)
        if kind == 0:
            self.views.append(View(whole, 0, size))
        elif kind == 1:
            self.views.append(View(whole[start:stop], start, stop))
        elif kind == 2:
            self.views.append(View(whole[start:stop].toreadonly(), start, stop))
        else:
            ranges = (ctypes.c_char * (stop - start)).from_buffer(self.ours, start)
            self.views.append(View(ranges, start, stop))

    def write_through(self, held: View) -> None:
        size = held.stop - held.start
        if not size or getattr(held.view, "readonly", False):
            return
        where, value = self.random.randrange(size), self.random.randrange(256)
        if isinstance(held.view, memoryview):
            held.view[where] = value
        else:
            held.view[where] = bytes((value,))
        self.model[held.start + where] = value

    def drop_view(self, position: int) -> None:
        held = self.views.pop(position)
        if isinstance(held.view, memoryview):
            held.view.release()

    def check_views(self) -> None:
        for held in self.views:
            if bytes(held.view) != self.model[held.start : held.stop]:
                raise Difference("a view does not show its bytes")

    def check(self) -> None:
        ours, model = self.ours, self.model
        if len(ours) != len(model) or bytearray.__eq__(ours, model) is not True:
            raise Difference(f"contents differ: {bytes(ours)[:80]!r} and {bytes(model)[:80]!r}")
        if not len(ours) <= ours.committed <= ours.capacity:
            raise Difference(f"{len(ours)} <= {ours.committed} <= {ours.capacity} does not hold")
        if ctypes.string_at(EMPTY, 1) != b"\0":
            raise Difference("the interpreter's empty string was written to")
        start = as_string(ours)
        if ctypes.string_at(start + len(ours), 1) != b"\0":
            raise Difference("no NUL past the end")
        if self.views:
            self.check_views()

    # One differential operation.

    def compare(self, op: Operation) -> None:
        if op.reads or not self.views:
            self.judge(op, attempt(op.ours, self.ours), attempt(op.model, self.model))
            return
        held = bytearray(self.model)
        export = memoryview(held)
        with_export = attempt(op.model, held)
        export.release()
        free = bytearray(self.model)
        without = attempt(op.model, free)
        got = attempt(op.ours, self.ours)
        refused = not with_export[0] and isinstance(with_export[1], BufferError)
        if not refused:
            if not (op.either and not got[0] and type(got[1]) is BufferError):
                self.model[:] = held
            self.judge(op, got, with_export)
        elif not got[0] and type(got[1]) is BufferError:
            if op.grows:
                raise Difference("growth at the end was refused under an export")
            # Past what can be had without moving the message goes on to say so.
            if str(got[1]) != EXPORTED and not str(got[1]).startswith(EXPORTED + " (*="):
                raise Difference(f"BufferError says {got[1]}")
        elif op.grows or op.either:
            self.model[:] = free
            self.judge(op, got, without)
        else:
            raise Difference(f"not refused under an export: {got[1]!r}")

    def judge(self, op: Operation, ours: Attempt, model: Attempt) -> None:
        if not ours[0] and isinstance(ours[1], Difference):
            raise ours[1]
        if ours[0] and model[0]:
            if not same_value(op, ours[1], model[1]):
                raise Difference(f"ours gave {ours[1]!r:.200}, bytearray {model[1]!r:.200}")
        elif ours[0] or model[0] or not same_error(ours[1], model[1]):
            if op.either and not ours[0] and type(ours[1]) is BufferError:
                self.model[:] = self.ours
                return
            raise Difference(f"ours: {ours[1]!r:.200}; bytearray: {model[1]!r:.200}")

    # Re-entrant operations, on ours alone.

    def strike(self) -> None:
        """Do something to the buffer in the middle of an operation on it."""
        b = self.ours
        self.strikes += 1
        data = self.some()[:5000]
        actions: tuple[Callable[[], Any], ...] = (
            lambda: b.append(1), lambda: b.extend(data), lambda: b.clear(), lambda: b.pop(),
            lambda: operator.delitem(b, slice(0, 3)), lambda: operator.delitem(b, slice(None)),
            lambda: b.insert(0, 1), lambda: b.resize(0), lambda: b.resize(len(b) + 5000),
            lambda: b.resize(len(b) // 2), lambda: b.shrink_to_fit(), lambda: b.ensure(100),
            lambda: self.views.append(View(memoryview(b), 0, len(b))),
            lambda: self.drop_view(0), lambda: b.address, lambda: b.__init__(data),
            lambda: b.spare(10).release(), lambda: b.advance(3), lambda: b.take_bytes(),
            lambda: b.reverse(), lambda: operator.imul(b, 2) if len(b) < 5000 else None,
            lambda: operator.setitem(b, slice(1, 2), data), lambda: b.read_from(io.BytesIO(data)),
            lambda: bytearray.__init__(b, data[:3]), lambda: bytearray.append(b, 1),
            lambda: operator.imul(b, 0), lambda: operator.setitem(b, slice(None), b""),
            lambda: bytearray.clear(b), lambda: repr(b), lambda: pickle.dumps(b, 5),
            lambda: memoryview(b).release(), lambda: operator.iadd(b, b) if len(b) < 5000 else None,
        )  # fmt: skip
        action = self.random.choice(actions)
        rare = self.random.random()
        if rare < 0.004:
            action = b.release
        elif rare < 0.006:
            action = b.freeze
        try:
            action()
        except Exception:
            if self.random.random() < 0.2:
                raise

    def reenter(self) -> None:
        """Run one operation with a hostile argument and check what is left."""
        b, evil, size = self.ours, Evil(self, self.small_index(), self.some()[:40]), len(self.model)
        other, where = Evil(self, self.small_index()), self.small_index()
        # The built-in reads memory it has not set when it cannot make a result of some size.
        tame = Evil(self, self.random.choice((0, 1, 20, 400)))
        calls: tuple[Callable[[], Any], ...] = (
            lambda: b.append(evil), lambda: b.extend(evil), lambda: b.insert(evil, other),
            lambda: b.insert(where, evil), lambda: b.pop(evil), lambda: b.remove(evil),
            lambda: operator.iadd(b, evil), lambda: operator.imul(b, evil) if size < 5000 else None,
            lambda: b[evil], lambda: b[evil:other], lambda: operator.setitem(b, evil, other),
            lambda: operator.setitem(b, where, evil), lambda: operator.delitem(b, evil),
            lambda: operator.setitem(b, slice(evil, other), b"xyz"),
            lambda: operator.setitem(b, slice(1, 3), evil),
            lambda: operator.setitem(b, slice(None), evil),
            lambda: operator.setitem(b, slice(evil, other, 2), b"xyz"),
            lambda: operator.setitem(b, slice(None, None, 2), evil),
            lambda: operator.delitem(b, slice(evil, other)),
            lambda: operator.delitem(b, slice(None, None, evil)),
            lambda: b.__init__(evil), lambda: b.__init__(evil, "ascii"), lambda: b.resize(evil),
            lambda: b.take_bytes(evil), lambda: b.spare(evil), lambda: b.advance(evil),
            lambda: b.ensure(evil), lambda: b.read_from(evil), lambda: b.read_from(evil, evil),
            lambda: b.read_from(Liar(where)), lambda: b.read_from(Liar(evil)),
            lambda: b.read_from(Liar("text"), 10), lambda: b.read_from(Liar(1 << 70), 10),
            lambda: b.find(evil), lambda: b.find(b"a", evil), lambda: b.find(b"a", evil, other),
            lambda: b.rfind(evil, evil), lambda: b.count(b"", evil, other),
            lambda: b.index(evil, other), lambda: b.startswith(evil, other),
            lambda: b.endswith((b"a", evil)), lambda: b.split(evil), lambda: b.rsplit(b"a", evil),
            lambda: b.replace(evil, other), lambda: b.replace(b"a", b"bb", evil),
            lambda: b.join(evil), lambda: b.join([evil, b, other]), lambda: b.join(iter([b, evil])),
            lambda: b.partition(evil), lambda: b.strip(evil), lambda: b.translate(evil),
            lambda: b.translate(None, evil), lambda: b.center(tame), lambda: b.ljust(tame, b"x"),
            lambda: b.zfill(tame), lambda: b.expandtabs(tame), lambda: b.splitlines(evil),
            lambda: b.removeprefix(evil), lambda: b == evil, lambda: b < evil, lambda: evil == b,
            lambda: evil in b, lambda: b + evil, lambda: b * tame if size < 5000 else None,
            lambda: b % evil, lambda: b % (evil, other), lambda: bytes(b[:40]) + b"%s" % evil,
            lambda: (b"%s|%d|%a" + b[:9]) % (evil, other, evil), lambda: b.hex(":", evil),
            lambda: b.decode("ascii", "fuzz-evil"), lambda: Buffer(evil), lambda: bytearray(evil),
            lambda: struct.pack_into("B", b, evil, 5), lambda: struct.unpack_from("B", b, evil),
            lambda: [evil.act() for _ in zip(b, range(4), strict=False)],
            lambda: max(b[:9], key=lambda _: evil.act() or 0, default=0),
            lambda: re.sub(b"[a-z]", lambda _: evil.act() or b"", b),
            lambda: bytes(map(lambda x: (evil.act(), x)[1], memoryview(b))),
            lambda: bytearray.__iadd__(b, evil),
            lambda: b.extend(Hint(b"abc", evil.value)),
            lambda: b.extend(Hint(b"abc", HUGE)), lambda: b.extend(Hint(b"abc", "no")),
            lambda: operator.iadd(b, BufferOf(evil)), lambda: b.extend(BufferOf(evil)),
        )  # fmt: skip
        position = self.random.randrange(len(calls))
        self.last = f"re-entrant call {position}"
        if self.verbose:
            print(f"  {self.step}: {self.last}", flush=True)
        current_evil[0] = evil
        try:
            calls[position]()
        except (Exception, SystemError) as error:
            if isinstance(error, SystemError):
                raise Difference(f"SystemError: {error}") from error
        finally:
            current_evil[0] = None
        self.settle()

    def small_index(self) -> int:
        return self.random.choice((0, 1, 2, 3, -1, -2, 5, 65, 255, len(self.model), HUGE, -HUGE))

    def settle(self) -> None:
        """After a re-entrant call take the buffer's contents for the model's."""
        try:
            self.ours.capacity
            content = bytes(self.ours)
            repr(self.ours)
            self.ours.ensure(0)
        except growable.StateError:
            self.over = True
            return
        self.model[:] = content
        self.iterators.clear()
        if len(self.ours) > self.most and not self.ours.exports:
            self.ours.clear()
            self.model.clear()
        self.check()

    def close(self) -> None:
        while self.views:
            self.drop_view(0)

    def run(self) -> tuple[int, int]:
        """Run the episode; return the numbers of operations and of re-entrant ones."""
        reentrant = 0
        self.check()
        for self.step in range(self.steps):
            dice = self.random.random()
            if dice < 0.08:
                self.last = "a view"
                self.change_views()
                self.check()
            elif dice < 0.20:
                reentrant += 1
                self.reenter()
                if self.over:
                    break
            else:
                self.differential()
        self.close()
        return self.step + 1, reentrant

    def differential(self) -> None:
        if len(self.model) > self.most:
            op = self.op_clear()
            if self.views:
                self.close()
        elif len(self.views) == 6 and self.random.random() < 0.05:
            self.close()
            return
        else:
            op = self.random.choice(self.OPERATIONS)(self)
        self.last = op.name
        if self.verbose:
            print(
                f"  {self.step}: {op.name} len={len(self.model)} views={len(self.views)}",
                flush=True,
            )
        self.compare(op)
        self.check()


class BufferOf(array.array):  # type: ignore[type-arg]
    """An array that is what a foreign `__buffer__` is on interpreters without one."""

    def __new__(cls, evil: Evil) -> BufferOf:
        return super().__new__(cls, "B", evil.data)


current_evil: list[Evil | None] = [None]


def evil_handler(error: UnicodeError) -> tuple[str, int]:
    """Handle a decoding error by striking at the buffer that is being decoded."""
    if current_evil[0] is not None:
        current_evil[0].act()
    assert isinstance(error, UnicodeDecodeError)
    return "?", error.end


def one_episode(seed: int, number: int, verbose: bool) -> tuple[int, int, str | None]:
    """Run one episode; return its counts and what was different, if anything."""
    episode = Episode(seed, number, verbose)
    try:
        operations, reentrant = episode.run()
        return operations, reentrant, None
    except Exception as found:
        where = f"seed {seed} episode {number} step {episode.step}: {episode.last}: "
        if isinstance(found, Difference):
            return episode.step + 1, 0, where + str(found)
        return episode.step + 1, 0, where + "".join(traceback.format_exception(found)[-3:])
    finally:
        episode.close()


def work(options: argparse.Namespace) -> int:
    """Run episodes until the time is up, or the one that was asked for."""
    faulthandler.enable()
    # What __release_buffer__ raises has nowhere to go.
    sys.unraisablehook = lambda _: None
    codecs.register_error("fuzz-evil", evil_handler)
    progress = os.open(options.progress, os.O_WRONLY) if options.progress else -1
    counts = {"episodes": 0, "operations": 0, "reentrant": 0, "differences": 0}
    messages: list[str] = []
    end = time.monotonic() + options.seconds
    number = options.episode if options.episode is not None else 0
    while time.monotonic() < end and counts["episodes"] < options.episodes:
        if progress >= 0:
            os.pwrite(progress, b"%12d" % number, 0)
        operations, reentrant, problem = one_episode(options.seed, number, options.verbose)
        counts["episodes"] += 1
        counts["operations"] += operations
        counts["reentrant"] += reentrant
        if problem is not None:
            counts["differences"] += 1
            if len(messages) < options.show:
                messages.append(problem)
                print(problem, file=sys.stderr, flush=True)
        if options.episode is not None:
            break
        number += 1
    report = {"seed": options.seed, "seconds": options.seconds, **counts, "messages": messages}
    if options.json:
        print(json.dumps(report))
    else:
        print(
            ", ".join(f"{value} {key}" for key, value in counts.items()) + f", seed {options.seed}"
        )
    return 1 if counts["differences"] else 0


def supervise(options: argparse.Namespace) -> int:
    """Run the work in a child; where that dies, say in which episode."""
    with tempfile.NamedTemporaryFile() as progress:
        progress.write(b"%12d" % 0)
        progress.flush()
        command = [sys.executable, __file__, *sys.argv[1:], "--progress", progress.name]
        code = subprocess.run(command, check=False).returncode
        if code in (0, 1):
            return code
        number = int(os.pread(os.open(progress.name, os.O_RDONLY), 12, 0))
    print(
        f"the process died ({code}) in episode {number}; to repeat: "
        f"{__file__} --seed {options.seed} --episode {number} --verbose",
        file=sys.stderr,
    )
    return 1


def main() -> int:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--episodes", type=int, default=1 << 62, help="stop after so many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    parser.add_argument("--episode", type=int, help="run only this one, in this process")
    parser.add_argument("--show", type=int, default=10, help="how many differences to print")
    parser.add_argument("--verbose", action="store_true", help="print every operation")
    parser.add_argument("--progress", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.progress or options.episode is not None:
        return work(options)
    return supervise(options)


if __name__ == "__main__":
    sys.exit(main())
