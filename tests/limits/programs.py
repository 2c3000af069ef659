"""Programs over either type, and a search for the largest size at which they run under a limit.

The one thing a reader would get wrong: each attempt is a fork of one process, so that the limit and
what stood in memory before are the same for all of them, whatever an earlier attempt left behind.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from growable import Buffer

Kind = Callable[..., Any]
CHUNK = b"x" * 65_536
STEPS = 16


@dataclass(frozen=True)
class Program:
    """A program, and the part of bytearray's largest size that a Buffer must reach with it.

    Large contents cost the same in both; what is missing to 1 is the granularity of commits, and
    what a buffer keeps when it is emptied. A small Buffer is a larger object than a small
    bytearray. One that is exported takes at least a page, and under a limit of addresses up to an
    sixteenth of them go to such ones, until limits make the rest stay on the heap.
    """

    run: Callable[[Kind, int], object]
    part: float = 0.97


def grow_by_chunks(kind: Kind, size: int) -> None:
    made = kind()
    while len(made) < size:
        made += CHUNK
    assert made[0] == made[-1] == 120


def grow_by_extend(kind: Kind, size: int) -> None:
    made = kind()
    while len(made) < size:
        made.extend(CHUNK)
        made.append(120)
    assert made[0] == made[-1] == 120


def make_at_once(kind: Kind, size: int) -> None:
    made = kind(size)
    made[size // 2] = 1
    assert made[size // 2 - 1 : size // 2 + 2] == b"\0\1\0"


def copy(kind: Kind, size: int) -> None:
    made = kind(CHUNK * (size // 2 // len(CHUNK)))
    assert kind(made) == made


def empty_and_fill_again(kind: Kind, size: int) -> None:
    made = kind()
    for part in (2, 4, 1):
        made.clear()
        while len(made) < size // part:
            made += CHUNK


def queue(kind: Kind, size: int) -> None:
    made = kind()
    while len(made) < size // 2:
        made += CHUNK
    for _ in range(size // 2 // len(CHUNK)):
        made += CHUNK
        del made[: len(CHUNK)]
    assert made[0] == made[-1] == 120


def insert_in_front(kind: Kind, size: int) -> None:
    made = kind(size)
    for _ in range(8):
        made[:0] = b"front"
        del made[5:10]
    assert made[:5] == b"front"


def multiply(kind: Kind, size: int) -> None:
    made = kind(CHUNK)
    made *= max(1, size // len(CHUNK))
    assert made[-1] == 120


def decode(kind: Kind, size: int) -> None:
    made = kind(CHUNK * (size // 2 // len(CHUNK)))
    assert len(made.decode("ascii")) == len(made)


def several_in_turn(kind: Kind, size: int) -> None:
    made = [kind() for _ in range(8)]
    while len(made[-1]) < size // 8:
        for each in made:
            each += CHUNK
    assert all(each[-1] == 120 for each in made)


def many_middling(kind: Kind, size: int) -> None:
    made = [kind(CHUNK) for _ in range(size // len(CHUNK))]
    assert all(len(each) == len(CHUNK) for each in made)


def many_small(kind: Kind, size: int) -> None:
    made = [kind(b"x" * 100) for _ in range(size // 200)]
    assert all(len(each) == 100 for each in made)


def many_exported(kind: Kind, size: int) -> None:
    made = [kind(b"x" * 100) for _ in range(size // 400)]
    views = [memoryview(each) for each in made]
    assert all(len(view) == 100 for view in views)


def many_emptied(kind: Kind, size: int) -> None:
    """Each was large once, as the buffer of a connection is that saw one large message."""
    kept = []
    for _ in range(size // 400_000):
        for empty in (lambda made: made.clear(), lambda made: made.__delitem__(slice(0, -100))):
            made = kind(b"x" * 3_000_000)
            empty(made)
            kept.append(made)
    assert all(len(made) <= 100 for made in kept)


def create_and_destroy(kind: Kind, size: int) -> None:
    for part in (1, 2, 3, 5, 8, 100, 1):
        made = kind(size // part)
        made[-1:] = b"xy"
        with memoryview(made) as view:
            assert view[-1] == ord("y")
        del made


def export_and_grow(kind: Kind, size: int) -> None:
    made = kind(b"x")
    while len(made) < size:
        with memoryview(made) as view:
            assert view[0] == 120
        made += CHUNK


def others_after_small_views(kind: Kind, size: int) -> None:
    """Somebody else wants memory after views of small ones came and went."""
    made = [kind(b"x" * 100) for _ in range(1000)]
    for each in made:
        memoryview(each).release()
    assert len(bytes(size)) == size


def others_after_dropped_views(kind: Kind, size: int) -> None:
    made = [kind(b"x" * 100) for _ in range(1000)]
    views = [memoryview(each) for each in made]
    del views, made
    assert len(bytes(size)) == size


def others_beside_small_views(kind: Kind, size: int) -> None:
    made = [kind(b"x" * 100) for _ in range(1000)]
    views = [memoryview(each) for each in made]
    assert len(bytes(size)) == size
    assert all(len(view) == 100 for view in views)


def others_after_large_ones(kind: Kind, size: int) -> None:
    """Somebody else wants the memory that ours had."""
    for part in (2, 3, 4, 5):
        made = kind(size // part)
        memoryview(made).release()
        del made
    assert len(bytes(size)) == size


def others_after_shrinking(kind: Kind, size: int) -> None:
    emptied, shortened = kind(size // 2), kind(size // 4)
    emptied.clear()
    del shortened[1000:]
    assert len(bytes(size)) == size


PROGRAMS = {
    "grow by chunks": Program(grow_by_chunks),
    "grow by extend": Program(grow_by_extend),
    "make at once": Program(make_at_once),
    "copy": Program(copy),
    "empty and fill again": Program(empty_and_fill_again),
    "queue": Program(queue),
    "insert in front": Program(insert_in_front),
    "multiply": Program(multiply),
    "decode": Program(decode),
    "several in turn": Program(several_in_turn, 0.9),
    "many middling": Program(many_middling, 0.9),
    "many small": Program(many_small, 0.4),
    "many exported": Program(many_exported, 0.3),
    "many emptied": Program(many_emptied, 0.9),
    "create and destroy": Program(create_and_destroy),
    "export and grow": Program(export_and_grow),
    "others after small views": Program(others_after_small_views, 0.85),
    "others after dropped views": Program(others_after_dropped_views, 0.9),
    "others beside small views": Program(others_beside_small_views, 0.85),
    "others after large ones": Program(others_after_large_ones),
    "others after shrinking": Program(others_after_shrinking, 0.9),
}


def attempt(program: Program, kind: Kind, size: int, *, loud: bool) -> int:
    """Run a program in a fork; 0 is success, 1 no memory, anything else a fault of its own."""
    child = os.fork()
    if child == 0:
        code = 2
        try:
            program.run(kind, size)
            code = 0
        except MemoryError:
            code = 1
            if loud:
                traceback.print_exc()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def largest(program: Program, kind: Kind, most: int) -> int:
    """Return the largest of STEPS sizes up to `most` at which the program runs, by bisection."""
    low, high = 0, STEPS + 1
    while high - low > 1:
        middle = (low + high) // 2
        fits = attempt(program, kind, most * middle // STEPS, loud=False) == 0
        low, high = (middle, high) if fits else (low, middle)
    return most * low // STEPS


def main() -> None:
    """Print what bytearray reaches and how a Buffer ends there and well below."""
    program, most = PROGRAMS[sys.argv[1]], int(sys.argv[2])
    best = largest(program, bytearray, most)
    sizes = [int(best * program.part), best // 3, best // 20]
    ends = {size: attempt(program, Buffer, size, loud=True) for size in sizes if size > 0}
    print(json.dumps({"best": best, "ends": ends}))


if __name__ == "__main__":
    main()
