"""No operation keeps a reference, a block of memory or a reservation: neither the ones that work nor
any that fails."""

from __future__ import annotations

import copy
import gc
import io
import operator
import os
import pickle
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import growable
import pytest
from growable import Buffer
from support import TIERS, SubBuffer, pattern

START = pattern(200)
ROUNDS = 240
BUILDERS = [build for build in TIERS.values()]


class Slots(Buffer):
    """Has state in a slot."""

    __slots__ = ("left",)


class Refuses(Buffer):
    """Does not take its state."""

    def __getstate__(self) -> Any:
        return 1

    def __setstate__(self, state: Any) -> None:
        raise KeyError


class Index:
    """An integer that may refuse to be one."""

    def __init__(self, value: int | None) -> None:
        self.value = value

    def __index__(self) -> int:
        if self.value is None:
            raise KeyError
        return self.value


class Source:
    """Reads what it is told, then raises."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def readinto(self, target: memoryview) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, bytes):
            target[: len(answer)] = answer
            return len(answer)
        return answer


class Calls:
    """An integer that does something to a buffer first."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act

    def __index__(self) -> int:
        self.act()
        return 0


def items(count: int, error: type[Exception] | None = None) -> Iterator[int]:
    yield from range(count)
    if error is not None:
        raise error


class Shared:
    """Arguments that all calls get, whose reference counts are watched."""

    def __init__(self) -> None:
        self.content = pattern(300)
        self.array = bytearray(b"abc" * 10)
        self.buffer = Buffer(b"abc" * 10)
        self.view = memoryview(self.content)
        self.strided = self.view[::2]
        self.text = "".join(["t", "ext"])
        self.name = "".join(["na", "me"])
        self.list = [int("1000") - 999, 2, 3]
        self.wrong = [1, object(), 3]
        self.index = Index(5)
        self.bad_index = Index(None)
        self.object = object()
        self.released = Buffer(b"x")
        self.released.release()
        self.reduced = Buffer(b"abc", name=self.name).__reduce__()
        self.outside: list[pickle.PickleBuffer] = []
        self.data = pickle.dumps(SubBuffer(b"abc"), protocol=5, buffer_callback=self.outside.append)

    def counts(self) -> dict[str, int]:
        watched = {**vars(self), "Buffer": Buffer, "SubBuffer": SubBuffer, "Slots": Slots}
        watched["StateError"] = growable.StateError
        watched["element"] = self.wrong[1]
        return {name: sys.getrefcount(value) for name, value in watched.items()}


S = Shared()


def exported(act: Callable[[Buffer], object]) -> Callable[[Buffer], object]:
    def run(buffer: Buffer) -> object:
        with memoryview(buffer):
            return act(buffer)

    return run


def frozen(act: Callable[[Buffer], object]) -> Callable[[Buffer], object]:
    def run(buffer: Buffer) -> object:
        buffer.freeze()
        return act(buffer)

    return run


def lent(act: Callable[[Buffer, memoryview], object]) -> Callable[[Buffer], object]:
    def run(buffer: Buffer) -> object:
        with buffer.spare(100) as tail:
            return act(buffer, tail)

    return run


WORKS: dict[str, Callable[[Buffer], object]] = {
    "nothing": lambda b: None,
    "make": lambda b: Buffer(),
    "make of bytes": lambda b: Buffer(S.content),
    "make of bytearray": lambda b: Buffer(S.array),
    "make of Buffer": lambda b: Buffer(S.buffer),
    "make of view": lambda b: Buffer(S.view),
    "make of strided view": lambda b: Buffer(S.strided),
    "make of list": lambda b: Buffer(S.list),
    "make of iterator": lambda b: Buffer(items(100)),
    "make of text": lambda b: Buffer(S.text, "utf-8", "strict"),
    "make of count": lambda b: Buffer(S.index),
    "make with options": lambda b: Buffer(S.content, capacity=5000, name=S.name, huge_pages=False),
    "make by keyword": lambda b: Buffer(source=S.content),
    "make subclass": lambda b: SubBuffer(S.content, name=S.name),
    "new only": lambda b: Buffer.__new__(Buffer),
    "init again": lambda b: b.__init__(S.content),  # type: ignore[misc]
    "init by itself": lambda b: b.__init__(b),  # type: ignore[misc]
    "fromhex": lambda b: Buffer.fromhex("00ff"),
    "append": lambda b: b.append(5),
    "append index": lambda b: b.append(S.index),  # type: ignore[arg-type]
    "extend bytes": lambda b: b.extend(S.content),
    "extend array": lambda b: b.extend(S.array),
    "extend Buffer": lambda b: b.extend(S.buffer),
    "extend view": lambda b: b.extend(S.view),
    "extend list": lambda b: b.extend(S.list),
    "extend iterator": lambda b: b.extend(items(100)),
    "extend itself": lambda b: b.extend(b),
    "extend its view": lambda b: b.extend(memoryview(b)),
    "grow much": lambda b: b.extend(bytes(200_000)),
    "+= bytes": lambda b: operator.iadd(b, S.content),
    "+= view": lambda b: operator.iadd(b, S.view),
    "*=": lambda b: operator.imul(b, 3),
    "*= index": lambda b: operator.imul(b, S.index),
    "*= 0": lambda b: operator.imul(b, 0),
    "insert": lambda b: b.insert(S.index, 5),
    "pop": lambda b: b.pop(),
    "pop first": lambda b: b.pop(0),
    "remove": lambda b: b.remove(START[100]),
    "clear": lambda b: b.clear(),
    "reverse": lambda b: b.reverse(),
    "resize up": lambda b: b.resize(5000),
    "resize down": lambda b: b.resize(5),
    "take_bytes": lambda b: b.take_bytes(S.index),
    "index": lambda b: b[S.index],
    "slice": lambda b: b[S.index : 100 : 3],
    "assign item": lambda b: operator.setitem(b, S.index, 7),
    "assign bytes": lambda b: operator.setitem(b, slice(5, 10), S.content),
    "assign view": lambda b: operator.setitem(b, slice(5, 10), S.view),
    "assign strided view": lambda b: operator.setitem(b, slice(5, 10), S.strided),
    "assign list": lambda b: operator.setitem(b, slice(5, 10), S.list),
    "assign iterator": lambda b: operator.setitem(b, slice(5, 10), items(100)),
    "assign itself": lambda b: operator.setitem(b, slice(5, 10), b),
    "assign steps": lambda b: operator.setitem(b, slice(0, 6, 2), S.list),
    "assign steps of view": lambda b: operator.setitem(b, slice(0, 600, 2), memoryview(b)[:100]),
    "del item": lambda b: operator.delitem(b, S.index),
    "del slice": lambda b: operator.delitem(b, slice(S.index, 100)),
    "del steps": lambda b: operator.delitem(b, slice(None, None, 2)),
    "in": lambda b: b"abc" in b,
    "find": lambda b: b.find(S.array, S.index),
    "+": lambda b: b + S.array,
    "*": lambda b: b * 3,
    "%": lambda b: Buffer(b"%s") % S.content,
    "==": lambda b: b == S.buffer,
    "<": lambda b: b < S.content,
    "join": lambda b: b.join([S.content, S.array]),
    "iterate": list,
    "iterator left": iter,
    "repr": repr,
    "repr long": lambda b: repr(Buffer(1000)),
    "str": str,
    "memoryview": memoryview,
    "many views": lambda b: [memoryview(b) for _ in range(10)],
    "spare": lambda b: b.spare(100),
    "spare and advance": lent(lambda b, t: b.advance(50)),
    "spare and append it": lent(lambda b, t: b.extend(t[10:20])),
    "ensure": lambda b: b.ensure(10_000),
    "shrink_to_fit": lambda b: b.shrink_to_fit(),
    "freeze": lambda b: b.freeze(),
    "freeze and export": frozen(memoryview),
    "release": lambda b: b.release(),
    "with": lambda b: b.__enter__().__exit__(None, None, None),
    "address": lambda b: b.address,
    "attributes": lambda b: (b.capacity, b.committed, b.exports, b.name, b.__sizeof__()),
    "page_map": growable._core.page_map,
    "weakref": weakref.ref,
    "read_from file": lambda b: b.read_from(io.BytesIO(S.content)),
    "read_from once": lambda b: b.read_from(io.BytesIO(S.content), 10),
    "read_from None": lambda b: b.read_from(Source(None)),
    "read_from blocking": lambda b: b.read_from(Source(BlockingIOError())),
    "copy": copy.copy,
    "copy subclass": lambda b: copy.copy(SubBuffer(b"abc", name=S.name)),
    "deepcopy": copy.deepcopy,
    "deepcopy subclass": lambda b: copy.deepcopy(with_state(SubBuffer(b"abc"))),
    "copy slots": lambda b: copy.copy(with_state(Slots(b"abc"))),
    "reduce": lambda b: b.__reduce__(),
    "pickle": lambda b: pickle.loads(pickle.dumps(b, 2)),
    "pickle 5": lambda b: pickle.loads(pickle.dumps(b, 5)),
    "pickle out of band": lambda b: pickle.dumps(b, 5, buffer_callback=[].append),
    "unpickle out of band": lambda b: pickle.loads(S.data, buffers=S.outside),
    "unpickle elsewhere": lambda b: pickle.loads(S.data, buffers=[S.content]),
    "rebuild": lambda b: S.reduced[0](*S.reduced[1]),
    "query": lambda b: growable._core.query(),
    "trim": lambda b: growable.trim(),
    "configure": lambda b: growable._core.configure(
        1 << 36, 64 << 20, 1 << 30, None, "ahead", "normal"
    ),
}


def with_state(buffer: Any) -> Any:
    buffer.left = [1, 2]
    return buffer


FAILS: dict[str, Callable[[Buffer], object]] = {
    "make of None": lambda b: Buffer(None),  # type: ignore[call-overload]
    "make of wrong list": lambda b: Buffer(S.wrong),  # type: ignore[arg-type]
    "make of failing iterator": lambda b: Buffer(items(50, KeyError)),
    "make of failing index": lambda b: Buffer(S.bad_index),
    "make of text": lambda b: Buffer(S.text),
    "make of text, unknown encoding": lambda b: Buffer(S.text, "no-such"),
    "make of bytes with encoding": lambda b: Buffer(S.content, "ascii"),  # type: ignore[call-overload]
    "make too large": lambda b: Buffer(1 << 62),
    "make of released": lambda b: Buffer(S.released),
    "name and wrong capacity": lambda b: Buffer(name=S.name, capacity=-1),
    "name and failing capacity": lambda b: Buffer(name=S.name, capacity=S.bad_index),
    "name and wrong huge_pages": lambda b: Buffer(name=S.name, huge_pages=S.object),  # type: ignore[call-overload]
    "wrong name": lambda b: Buffer(name=S.object),  # type: ignore[call-overload]
    "name that is no utf-8": lambda b: Buffer(name="\ud800"),
    "capacity too large": lambda b: Buffer(name=S.name, capacity=1 << 55),
    "source over capacity": lambda b: Buffer(S.content, capacity=5, name=S.name),
    "unknown keyword": lambda b: Buffer(S.content, wrong=S.object),  # type: ignore[call-overload]
    "options again": lambda b: b.__init__(name=S.name),  # type: ignore[misc]
    "init while exported": exported(lambda b: b.__init__(S.content)),  # type: ignore[misc]
    "init of frozen": frozen(lambda b: b.__init__(S.list)),  # type: ignore[misc]
    "append wrong": lambda b: b.append(S.object),  # type: ignore[arg-type]
    "append 256": lambda b: b.append(256),
    "append failing index": lambda b: b.append(S.bad_index),  # type: ignore[arg-type]
    "append to frozen": frozen(lambda b: b.append(1)),
    "extend wrong": lambda b: b.extend(S.wrong),  # type: ignore[arg-type]
    "extend text": lambda b: b.extend(S.text),  # type: ignore[arg-type]
    "extend failing iterator": lambda b: b.extend(items(50, KeyError)),
    "extend strided": lambda b: b.extend(S.strided),
    "extend by released": lambda b: b.extend(S.released),
    "extend frozen by list": frozen(lambda b: b.extend(S.list)),
    "extend frozen by view": frozen(lambda b: b.extend(S.view)),
    "extend too much": lambda b: Buffer(capacity=100).extend(S.view),
    "+= wrong": lambda b: operator.iadd(b, S.object),
    "+= strided": lambda b: operator.iadd(b, S.strided),
    "*= wrong": lambda b: operator.imul(b, S.object),
    "*= failing index": lambda b: operator.imul(b, S.bad_index),
    "*= too large": lambda b: operator.imul(b, 1 << 60),
    "insert wrong": lambda b: b.insert(0, S.object),  # type: ignore[arg-type]
    "insert failing index": lambda b: b.insert(S.bad_index, 1),
    "insert while exported": exported(lambda b: b.insert(0, 1)),
    "insert arity": lambda b: b.insert(S.object),  # type: ignore[call-arg]
    "pop far": lambda b: b.pop(10_000),
    "pop failing index": lambda b: b.pop(S.bad_index),
    "pop while exported": exported(lambda b: b.pop()),
    "remove missing": lambda b: Buffer(b"a").remove(5),
    "remove wrong": lambda b: b.remove(S.object),  # type: ignore[arg-type]
    "clear while exported": exported(lambda b: b.clear()),
    "resize negative": lambda b: b.resize(-1),
    "resize too large": lambda b: b.resize(1 << 62),
    "resize failing index": lambda b: b.resize(S.bad_index),
    "take_bytes far": lambda b: b.take_bytes(10_000),
    "take_bytes wrong": lambda b: b.take_bytes(S.object),  # type: ignore[arg-type]
    "take_bytes while exported": exported(lambda b: b.take_bytes(5)),
    "take_bytes of frozen": frozen(lambda b: b.take_bytes(5)),
    "index far": lambda b: b[10_000],
    "index wrong": lambda b: b[S.object],  # type: ignore[index]
    "index failing": lambda b: b[S.bad_index],
    "assign wrong": lambda b: operator.setitem(b, 0, S.object),
    "assign at wrong": lambda b: operator.setitem(b, S.object, 1),
    "assign at failing": lambda b: operator.setitem(b, S.bad_index, 1),
    "assign slice wrong": lambda b: operator.setitem(b, slice(0, 5), S.wrong),
    "assign slice number": lambda b: operator.setitem(b, slice(0, 5), 1000),
    "assign slice failing": lambda b: operator.setitem(b, slice(0, 5), items(50, KeyError)),
    "assign slice bounds": lambda b: operator.setitem(b, slice(S.bad_index, 5), S.content),
    "assign slice while exported": exported(lambda b: operator.setitem(b, slice(0, 5), S.content)),
    "assign slice of list while exported": exported(
        lambda b: operator.setitem(b, slice(0, 5), S.list)
    ),
    "assign slice of frozen": frozen(lambda b: operator.setitem(b, slice(0, 5), S.view)),
    "assign steps wrong": lambda b: operator.setitem(b, slice(0, 50, 2), S.view),
    "assign released": lambda b: operator.setitem(b, slice(0, 5), S.released),
    "del far": lambda b: operator.delitem(b, 10_000),
    "del while exported": exported(lambda b: operator.delitem(b, slice(0, 5))),
    "del steps of frozen": frozen(lambda b: operator.delitem(b, slice(None, None, 2))),
    "in wrong": lambda b: S.object in b,
    "find wrong": lambda b: b.find(S.object),  # type: ignore[arg-type]
    "find meddling": lambda b: b.find(b"x", Calls(b.clear)),
    "compare wrong": lambda b: b < S.object,  # type: ignore[operator]
    "+ wrong": lambda b: b + S.object,  # type: ignore[operator]
    "% wrong": lambda b: b % S.object,
    "join wrong": lambda b: b.join(S.wrong),  # type: ignore[arg-type]
    "spare negative": lambda b: b.spare(-1),
    "spare too large": lambda b: b.spare(1 << 62),
    "spare over capacity": lambda b: Buffer(capacity=10).spare(11),
    "spare of frozen": frozen(lambda b: b.spare(10)),
    "advance too far": lent(lambda b, t: b.advance(101)),
    "ensure too large": lambda b: b.ensure(1 << 62),
    "shrink_to_fit of frozen": frozen(lambda b: b.shrink_to_fit()),
    "freeze while exported": exported(lambda b: b.freeze()),
    "release while exported": exported(lambda b: b.release()),
    "release while lent": lent(lambda b, t: b.release()),
    "use after release": lambda b: S.released.append(1),
    "export after release": lambda b: memoryview(S.released),
    "address after release": lambda b: S.released.address,
    "writable export of frozen": frozen(lambda b: io.BytesIO(b"x").readinto(b)),
    "read_from wrong": lambda b: b.read_from(S.object),  # type: ignore[arg-type]
    "read_from bad size": lambda b: b.read_from(io.BytesIO(b"x"), S.bad_index),
    "read_from closed": lambda b: b.read_from(10_000),
    "read_from lying": lambda b: b.read_from(Source(1 << 40)),
    "read_from no number": lambda b: b.read_from(Source(S.object)),
    "read_from failing": lambda b: b.read_from(Source(KeyError())),
    "read_from failing later": lambda b: b.read_from(Source(b"abc", b"de", KeyError())),
    "read_from frozen": frozen(lambda b: b.read_from(io.BytesIO(b"x"))),
    "read_from over capacity": lambda b: Buffer(capacity=0).read_from(io.BytesIO(b"x")),
    "copy with state refused": lambda b: copy.copy(Refuses(b"abc")),
    "deepcopy with state refused": lambda b: copy.deepcopy(Refuses(b"abc")),
    "pickle after release": lambda b: pickle.dumps(S.released),
    "pickle wrong protocol": lambda b: b.__reduce_ex__(S.object),  # type: ignore[arg-type]
    "pickle failing callback": lambda b: pickle.dumps(
        b, 5, buffer_callback=lambda p: operator.truediv(1, 0)
    ),
    "unpickle without buffers": lambda b: pickle.loads(S.data),
    "rebuild of wrong type": lambda b: S.reduced[0](bytearray, *S.reduced[1][1:]),
    "rebuild with wrong options": lambda b: S.reduced[0](*S.reduced[1][:2], -1, "auto", S.name),
    "rebuild over capacity": lambda b: S.reduced[0](*S.reduced[1][:2], 1, "auto", S.name),
    "page_map wrong": lambda b: growable._core.page_map(S.object),  # type: ignore[arg-type]
    "configure wrong": lambda b: growable._core.configure(
        0,
        0,
        0,
        S.object,  # type: ignore[arg-type]
        "off",
        "low",
    ),
    "attribute": lambda b: setattr(b, "capacity", S.object),
}


def counts() -> dict[str, int]:
    gc.collect()
    return {
        **S.counts(),
        "blocks": sys.getallocatedblocks(),
        "objects": len(gc.get_objects()),
        "reservations": growable._core.query()["pool"]["reservations"],
    }


def assert_nothing_grows(once: Callable[[int], object]) -> None:
    """Run it often; what grows must grow by less than one for twenty rounds.

    Caches grow as well until they are full, so only what grows every time is a leak.
    """
    for i in range(40):
        once(i)
    leaks: set[str] | None = None
    for _ in range(20):
        before = counts()
        for i in range(ROUNDS):
            once(i)
        after = counts()
        grown = {name for name in after if after[name] - before[name] > ROUNDS // 20}
        leaks = grown if leaks is None else leaks & grown
        if not leaks:
            return
    assert leaks == set(), {name: after[name] - before[name] for name in leaks}


@pytest.mark.usefixtures("small_heap")
@pytest.mark.parametrize("kind", [Buffer, SubBuffer], ids=["exact", "subclass"])
@pytest.mark.parametrize("name", WORKS)
def test_what_works(name: str, kind: type[Buffer]) -> None:
    act = WORKS[name]

    def once(i: int) -> None:
        act(BUILDERS[i % len(BUILDERS)](kind, START))

    assert_nothing_grows(once)


@pytest.mark.usefixtures("small_heap")
@pytest.mark.parametrize("name", FAILS)
def test_what_fails(name: str) -> None:
    act = FAILS[name]

    def once(i: int) -> None:
        buffer = BUILDERS[i % len(BUILDERS)](Buffer, START)
        try:
            act(buffer)
        except Exception:
            pass
        else:
            raise AssertionError("it did not fail")

    assert_nothing_grows(once)


def test_read_from_a_descriptor() -> None:
    reader, writer = os.pipe()
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0

    def once(i: int) -> None:
        os.write(writer, b"abc")
        Buffer(b"x").read_from(reader, 10)

    assert_nothing_grows(once)
    os.close(writer)
    assert_nothing_grows(lambda i: Buffer(b"x").read_from(reader))
    if before:
        assert len(os.listdir("/proc/self/fd")) == before - 1
    os.close(reader)


def test_subclasses_in_cycles() -> None:
    def once(i: int) -> None:
        buffer = SubBuffer(START)
        buffer.me = buffer  # type: ignore[attr-defined]
        buffer.view = memoryview(buffer)  # type: ignore[attr-defined]
        if i % 50 == 0:
            gc.collect()

    assert_nothing_grows(once)


def test_reservations_return() -> None:
    """As many as before once all are gone; the pool keeps no more than it may."""
    before = growable.info()["pool"]
    held = [Buffer(bytes(100_000)) for _ in range(200)]
    views = [memoryview(buffer) for buffer in held]
    assert growable.info()["pool"]["reservations"] >= 200
    del views, held
    after = growable.info()["pool"]
    assert after["reservations"] <= before["reservations"] + 64
    assert after["reservations"] == after["pooled"] + (before["reservations"] - before["pooled"])
    assert after["pooled_bytes"] <= growable.info()["defaults"]["pool_budget"] + (8 << 20)


def test_the_pool_can_be_emptied() -> None:
    Buffer(bytes(100_000))
    assert growable.info()["pool"]["pooled"] > 0
    budget = growable.info()["defaults"]["pool_budget"]
    growable.set_defaults(pool_budget=0)
    try:
        assert growable.info()["pool"]["pooled"] == 0
        Buffer(bytes(100_000))
        assert growable.info()["pool"]["pooled"] == 0
    finally:
        growable.set_defaults(pool_budget=budget)


@pytest.mark.parametrize("leak", ["reference", "object", "reservation"])
def test_a_leak_would_be_seen(leak: str) -> None:
    kept: list[Any] = []
    made: dict[str, Callable[[], Any]] = {
        "reference": lambda: S.object,
        "object": list,
        "reservation": lambda: memoryview(Buffer(b"x")),
    }

    def once(i: int) -> None:
        if i % 4 == 0:
            kept.append(made[leak]())

    with pytest.raises(AssertionError):
        assert_nothing_grows(once)


def test_trim_tells_what_it_released() -> None:
    Buffer(bytes(1 << 20))
    waiting = growable.info()["pool"]
    # Where each committed page is paid for, most of it is not kept.
    least = 1 if growable.info()["overcommit"] == "never" else 1 << 20
    assert waiting["pooled_bytes"] >= least
    assert growable.trim() == waiting["pooled_bytes"] + waiting["discarded_bytes"]
    assert growable.info()["pool"]["pooled"] == 0
    assert growable.trim() == 0


def test_memory_offered_to_the_system_is_not_seen_again() -> None:
    """A quarter of it is written, so that some of the pages are ours again and some are not."""
    size = 96 << 20
    budget = growable.info()["defaults"]["pool_budget"]
    growable.set_defaults(pool_budget="4MiB")
    try:
        Buffer(b"\xff" * size)
        offered = growable.info()["pool"]["discarded_bytes"]
        assert offered == 0 or offered > size // 2
        buffer = Buffer(b"\xfe" * (size // 4))
        assert growable.info()["pool"]["discarded_bytes"] == 0
        buffer.resize(size)
        assert not memoryview(buffer)[size // 4 :].tobytes().strip(b"\0")
    finally:
        growable.set_defaults(pool_budget=budget)
