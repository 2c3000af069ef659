"""Refuse rings the interpreter's memory, one allocation after the other.

Each operation runs with the first allocation refused, then the second, until nothing that it asks
for is refused: it raises and the items are as before, or it does all of it. Prints how many refusals
made an operation fail.
"""

from __future__ import annotations

import _testcapi
from collections.abc import Callable
from typing import Any

import numpy as np
from growable import RingBuffer

MOST = 200


def of_bytes() -> RingBuffer:
    ring = RingBuffer(1)
    ring.extend(b"abcdef")
    return ring


def of_floats() -> RingBuffer:
    ring = RingBuffer(1, float, overwrite=True)
    ring.extend(np.arange(6.0))
    return ring


USES: dict[str, Callable[[RingBuffer], Any]] = {
    "read": lambda ring: ring.read(2),
    "peek": lambda ring: ring.peek(2),
    "view": lambda ring: ring.view(-3),
    "spare": lambda ring: ring.spare(3),
    "pop": lambda ring: ring.pop(),
    "popleft": lambda ring: ring.popleft(),
    "item": lambda ring: ring[1],
    "slice": lambda ring: ring[1:3],
    "assign": lambda ring: ring.__setitem__(slice(0, 2), ring[2:4]),
    "buffer": lambda ring: memoryview(ring).nbytes,
    "append": lambda ring: ring.append(1),
    "appendleft": lambda ring: ring.appendleft(1),
    "extend": lambda ring: ring.extend([1, 2, 3]),
    "extendleft": lambda ring: ring.extendleft([1, 2, 3]),
    "attributes": lambda ring: (ring.capacity, ring.itemsize, ring.writer, ring.section),
    "another": lambda ring: RingBuffer(1, ring.dtype),
}


def fails(nth: int, use: Callable[[RingBuffer], Any], ring: RingBuffer) -> bool:
    _testcapi.set_nomemory(nth - 1, nth)
    try:
        use(ring)
    except MemoryError:
        return True
    else:
        return False
    finally:
        _testcapi.remove_mem_hooks()


def main() -> None:
    failures = 0
    for make in (of_bytes, of_floats):
        for name, use in USES.items():
            use(make())  # what is kept from the first time on
            successes, nth = 0, 0
            while successes < 5 and nth < MOST:
                nth += 1
                ring = make()
                before = bytes(ring)
                failed = fails(nth, use, ring)
                assert not failed or bytes(ring) == before, (name, nth)
                failures += failed
                successes = 0 if failed else successes + 1
                ring.close()
    print(failures)


main()
