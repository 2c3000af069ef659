"""Memory that the host of a virtual machine has backed before anything on it is timed.

What a reader would get wrong: none of this is needed for a right result. Where it fails, whoever
touches a page first waits for the host, and that is chance.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, TypeAlias

from growable.bench.memory import available_memory
from growable.bench.runner import ChildError, Runner, one_life

__all__ = ["BACKED_FROM", "Backed", "warm_up"]

Row: TypeAlias = dict[str, Any]

BACKED_FROM = 1 << 30  # a steady state whose rounds last so long that the host may take memory back


def warm_up(size: int) -> None:
    """Touch memory and give it back, so that no contestant is the first to touch it.

    The host of a virtual machine backs memory when it is touched first, and may take it back
    seconds after it was freed. Whom that hits is chance.
    """
    available = available_memory()
    if available is not None:
        size = min(size, available * 3 // 4)
    try:
        one_life({"work": "warm up", "size": size})
    except ChildError:  # It is a kindness, not a measurement.
        return


class Backed:
    """Sees to it that lives are on memory that the host of a virtual machine has backed.

    It may take free memory back within a second or two, and then the first touch of a huge page
    takes milliseconds instead of a tenth of one. So a process of its own touches as much as any
    life needs, keeps it while a first life's process starts, and gives it back at the last moment.
    """

    def __init__(self, stack: ExitStack, size: int) -> None:
        self._holder: Runner | None = None
        if size > 0:
            available = available_memory()
            if available is not None:
                size = min(size, available // 2)
            try:
                self._holder = stack.enter_context(Runner({"work": "hold", "size": size}))
            except ChildError:  # It is a kindness, not a measurement.
                return

    def _ask(self, repeats: int) -> None:
        try:
            if self._holder is not None:
                self._holder.run(repeats)
        except ChildError:
            self._holder = None

    def _hold(self) -> None:
        self._ask(1)

    def _give_back(self) -> None:
        self._ask(0)

    def renew(self) -> None:
        """Have the memory backed now."""
        self._hold()
        self._give_back()

    def one_life(self, plan: Row, number: int, lives: int = 1) -> list[Row]:
        """Take samples in a process made for them."""
        self._hold()
        try:
            return one_life(plan, number, lives, self._give_back)
        except ChildError:
            self._give_back()  # The process may have ended before it was ready.
            raise
