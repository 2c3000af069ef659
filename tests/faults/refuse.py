"""Refuse an operation everything it needs, one thing after the other: it fails and nothing changed.

    python refuse.py [--under LIMIT] memory|calls GROUP

`memory` are the interpreter's allocations, `calls` our calls into the operating system, which need a
build of the `fault` preset. Each operation of the group is run in every state with the first thing
refused, then the second, and so on until nothing that it asks for is refused: with only that one
refused, and with that and later ones. Prints how many refusals made an operation fail, and to stderr
what it is at.

The one thing a reader would get wrong: a refusal may be made up for (a smaller reservation, contents
that stay on the heap). Then the operation must do what it does in peace.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import resource
import sys
from dataclasses import dataclass
from typing import Any

import growable
from growable import Buffer, _core
from operations import CAN_REFUSE_CALLS, GROUPS, STATES, Operation, Subject, states_for
from support import byte_after, start_of

_testcapi: Any = None
with contextlib.suppress(ImportError):
    import _testcapi

MOST = 20_000
# Allocations are not counted: the end has come when so many refusals in a row made no difference.
SUCCESSES_AT_THE_END = 5
LIMITS = {
    "RLIMIT_AS": (resource.RLIMIT_AS, 8 << 30),
    "RLIMIT_DATA": (resource.RLIMIT_DATA, 2 << 30),
}
REFUSED = (MemoryError, BufferError, growable.GrowableError, ImportError)
# What the interpreter raises where it could not even note the line that raised.
LOST = "error return without exception set"

State = tuple[Any, ...]


@dataclass(frozen=True)
class Refusal:
    """Refuse the nth thing and `count` in all from there on; all of them where it is negative."""

    nth: int
    count: int


NOTHING = Refusal(MOST, 1)


@dataclass
class Outcome:
    """What an operation returned or raised, and the calls that it made."""

    result: Any = None
    error: BaseException | None = None
    calls: int = 0


# Refusing.


def refuse_memory(refusal: Refusal) -> None:
    let_pass = refusal.nth - 1
    _testcapi.set_nomemory(let_pass, let_pass + refusal.count if refusal.count > 0 else 0)


def refuse_calls(refusal: Refusal) -> None:
    _core._fault_arm(refusal.nth, refusal.count)


def refuse_nothing() -> None:
    if _testcapi is not None:
        _testcapi.remove_mem_hooks()
    if CAN_REFUSE_CALLS:
        _core._fault_disarm()


REFUSE = {"memory": refuse_memory, "calls": refuse_calls}


def reset_pool(*, warm: bool) -> None:
    """Leave no idle reservations, or two that are dirty."""
    growable.set_defaults(pool_budget=0)
    if not warm:
        return
    growable.set_defaults(pool_budget="64MiB")
    held = [memoryview(Buffer(b"\xaa" * 300_000)) for _ in range(2)]
    held.clear()


def reservations_in_use() -> int:
    pool = growable.info()["pool"]
    return int(pool["reservations"] - pool["pooled"])


# Looking.


def comparable(result: Any) -> Any:
    if isinstance(result, Buffer | memoryview):
        return type(result), bytes(result), getattr(result, "name", None)
    return result


def is_released(buffer: Buffer) -> bool:
    return repr(buffer).startswith("<released")


def is_frozen(buffer: Buffer) -> bool:
    try:
        buffer.extend(b"")
    except growable.StateError:
        return True
    return False


def state_of(buffer: Buffer) -> State:
    """Return what is compared. To look moves nothing: there is no export."""
    if is_released(buffer):
        return ("released",)
    content = bytes(buffer[:])
    return content, len(buffer), buffer.exports, is_frozen(buffer), buffer.name


def place_of(subject: Subject) -> State:
    """Return where a buffer that may not move stands, and what it may grow to."""
    if not subject.fixed:
        return ()
    return start_of(subject.buffer), subject.buffer.capacity


def check_sound(subject: Subject) -> None:
    buffer = subject.buffer
    if not is_released(buffer):
        assert len(buffer) <= buffer.committed <= buffer.capacity
        assert subject.lent or byte_after(buffer) == 0


# Running.


def run(operation: Operation, buffer: Buffer, what: str, refusal: Refusal) -> Outcome:
    """Run it; between the refusing and the end of it nothing else may need memory."""
    act, refuse = operation.act, REFUSE[what]
    result = error = None
    refuse(refusal)
    try:
        result = act(buffer)
    except BaseException as raised:
        error = raised
    finally:
        refuse_nothing()
    return Outcome(result, error, _core._fault_calls() if CAN_REFUSE_CALLS else 0)


def settled(outcome: Outcome) -> Outcome:
    """Return what can be compared, without references to anything else."""
    error = outcome.error
    if error is None:
        return Outcome(comparable(outcome.result), None, outcome.calls)
    error.__traceback__ = None  # it leads to a frame, and that to the error
    return Outcome(None, type(error)(str(error)), outcome.calls)


class Case:
    """One operation in one state."""

    def __init__(self, what: str, operation: Operation, state: str, *, warm: bool) -> None:
        self.what = what
        self.operation = operation
        self.build = STATES[state]
        self.warm = warm
        subject = self.prepare()
        self.peace = settled(run(self.operation, subject.buffer, what, NOTHING))
        self.after = state_of(subject.buffer)

    def prepare(self) -> Subject:
        reset_pool(warm=False)
        subject = self.build()
        reset_pool(warm=self.warm)
        return subject

    def as_in_peace(self, outcome: Outcome) -> bool:
        return type(outcome.error) is type(self.peace.error)

    def check_success(self, outcome: Outcome, subject: Subject) -> None:
        assert state_of(subject.buffer) == self.after
        assert outcome.result == self.peace.result
        check_sound(subject)

    def is_refusal(self, error: BaseException | None) -> bool:
        if isinstance(error, REFUSED):
            return True
        if self.what != "memory" or not isinstance(error, Exception):
            return False
        return self.operation.foreign or str(error) == LOST

    def check_failure(
        self, outcome: Outcome, subject: Subject, before: State, place: State
    ) -> None:
        assert self.is_refusal(outcome.error), repr(outcome.error)
        now = state_of(subject.buffer)
        if self.operation.keeps:
            assert now[0].startswith(before[0])
            assert self.after[0].startswith(now[0])
            assert now[2:] == before[2:]
        else:
            assert now == before
        assert place_of(subject) == place
        if not (subject.lent and self.operation.keeps):
            assert all(view == (subject.lent or before[0]) for view in subject.views)
        check_sound(subject)

    def check_use(self, subject: Subject, before: State) -> None:
        """Check that it works as if nothing had happened."""
        buffer = subject.buffer
        if subject.lent and not self.operation.keeps:
            buffer.advance(len(subject.lent))
            assert buffer == before[0] + subject.lent
            return
        again = settled(run(self.operation, buffer, self.what, NOTHING))
        assert type(again.error) is type(self.peace.error), repr(again.error)
        if not self.operation.keeps:
            self.check_success(again, subject)

    def fails(self, refusal: Refusal) -> bool:
        """Run it once and return whether the refusal made it fail."""
        subject = self.prepare()
        before, place = state_of(subject.buffer), place_of(subject)
        references = sys.getrefcount(subject.buffer)
        outcome = settled(run(self.operation, subject.buffer, self.what, refusal))
        self.calls = outcome.calls
        if self.as_in_peace(outcome):
            self.check_success(outcome, subject)
            return False
        if sys.getrefcount(subject.buffer) != references:
            gc.collect()
        assert sys.getrefcount(subject.buffer) == references
        self.check_failure(outcome, subject, before, place)
        self.check_use(subject, before)
        return True

    def refuse_memory(self, count: int) -> int:
        failures = successes = nth = 0
        while successes < (SUCCESSES_AT_THE_END if count > 0 else 1):
            nth += 1
            assert nth < MOST
            failed = self.fails(Refusal(nth, count))
            failures += failed
            successes = 0 if failed else successes + 1
        return failures

    def refuse_calls(self, count: int) -> int:
        failures = nth = 0
        self.calls = self.peace.calls  # what is refused may lead to more
        while self.calls > nth:
            nth += 1
            assert nth < MOST
            failures += self.fails(Refusal(nth, count))
        return failures


# Without idle reservations a second refusal in a row meets nothing that a first one does not.
VARIANTS = {
    "memory": [(False, 1), (False, -1)],
    "calls": [(False, 1), (False, -1), (True, 1), (True, 2), (True, -1)],
}


def refuse_all(what: str, operation: Operation, state: str) -> int:
    """Return how many refusals made it fail."""
    failures = 0
    for warm, count in VARIANTS[what]:
        case = Case(what, operation, state, warm=warm)
        failures += case.refuse_memory(count) if what == "memory" else case.refuse_calls(count)
    del case
    gc.collect()
    assert reservations_in_use() == 0, "a reservation is left"
    return failures


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--under", choices=LIMITS)
    parser.add_argument("what", choices=VARIANTS)
    parser.add_argument("group", choices=GROUPS)
    options = parser.parse_args()
    if options.under is not None:
        kind, limit = LIMITS[options.under]
        resource.setrlimit(kind, (limit, limit))
    failures = 0
    for name, operation in GROUPS[options.group].items():
        for state in states_for(options.what, options.group, limited=options.under is not None):
            print(f"{name}: {state}", file=sys.stderr)
            failures += refuse_all(options.what, operation, state)
    print(failures)


if __name__ == "__main__":
    main()
