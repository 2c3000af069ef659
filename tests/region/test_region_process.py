"""Pages of another process: `Region(process=)` and `Section.share`, which Windows alone has.

The one thing a reader would get wrong: nothing here may look at an address of such a Region but the
child that it is an address of, and VirtualQueryEx.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import windows_view
from growable import CommitError, Region, ReservationError, Section, StateError, UnsupportedError
from region_support import CAN
from support import PAGE

needs_it = pytest.mark.skipif(not CAN["other_process"], reason="pages belong to one process here")

LOOP = """
import ctypes, sys, growable
for line in sys.stdin:
    try:
        print(eval(line), flush=True)
    except OSError as error:
        print(error, flush=True)
"""


class Child:
    """A process that evaluates what it is told."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", LOOP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.handle: int = self.process._handle  # type: ignore[attr-defined]
        # It has started: from here on it allocates nothing but what it is told to.
        assert self.ask("1 + 1") == "2"

    def ask(self, expression: str) -> str:
        """Return what the expression is there."""
        assert self.process.stdin
        assert self.process.stdout
        print(expression, file=self.process.stdin, flush=True)
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        """Let it end."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


@pytest.fixture
def child() -> Iterator[Child]:
    """Give a process whose pages are worked on."""
    made = Child()
    yield made
    made.end()


# What is refused everywhere.


@pytest.mark.skipif(CAN["other_process"], reason="this system has it")
def test_unsupported() -> None:
    with pytest.raises(UnsupportedError, match="other_process") as caught:
        Region(PAGE, process=1)
    assert caught.value.operation == "Region"
    with pytest.raises(UnsupportedError, match="other_process") as caught:
        Section(PAGE).share(1)
    assert caught.value.operation == "share"


@pytest.mark.parametrize("process", [0, -1, 1 << 63, 1 << 100])
def test_what_is_no_handle(process: int) -> None:
    with pytest.raises(ValueError, match="process must be"):
        Region(PAGE, process=process)
    with pytest.raises(ValueError, match="process must be"):
        Section(PAGE).share(process)


def test_what_is_no_number() -> None:
    with pytest.raises(TypeError):
        Region(PAGE, process="1")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Section(PAGE).share(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("other", ["placeholder", "write_watch"])
def test_what_it_excludes(other: str) -> None:
    options: dict[str, Any] = {other: True}
    with pytest.raises(ValueError, match="process= goes without"):
        Region(PAGE, process=1, **options)


def test_a_closed_section_is_not_shared() -> None:
    section = Section(PAGE)
    section.close()
    with pytest.raises(StateError, match="closed"):
        section.share(1)


# What works where it does.


@needs_it
def test_a_handle_of_nothing() -> None:
    with pytest.raises(ReservationError) as caught:
        Region(PAGE, process=0x7FFFFFF0)
    assert caught.value.limit == "process="


@needs_it
def test_reserve_commit_protect_decommit_release(child: Child) -> None:
    region = Region(4 * PAGE, process=child.handle)

    def seen() -> list[str]:
        return windows_view.access_of_pages(region.address, region.size, child.handle)

    assert seen() == ["none"] * 4
    region.commit(PAGE, 2 * PAGE)
    assert seen() == ["none", "rw", "rw", "none"]
    assert region.protect(2 * PAGE, PAGE, "r") == "rw"
    assert seen() == ["none", "rw", "r", "none"]
    assert [run.access for run in region.pages()] == ["none", "rw", "r", "none"]
    assert region.pages().resident == 0  # not asked for
    region.decommit(PAGE, PAGE)
    assert seen() == ["none", "none", "r", "none"]
    assert "of another process" in repr(region)
    address = region.address
    region.release()
    assert windows_view.run_at(address, child.handle).state == "free"


@needs_it
def test_the_child_uses_them(child: Child) -> None:
    with Region(2 * PAGE, commit=True, process=child.handle) as region:
        at = region.address
        assert child.ask(f"ctypes.string_at({at}, 5)") == repr(bytes(5))
        assert child.ask(f"ctypes.memset({at}, 120, 5) == {at}") == "True"
        region.protect(0, PAGE, "r")
        assert child.ask(f"ctypes.string_at({at}, 5)") == repr(b"xxxxx")
        assert "access violation" in child.ask(f"ctypes.memset({at}, 121, 5)")
        region.decommit()
        assert "access violation" in child.ask(f"ctypes.string_at({at}, 5)")
        region.commit()
        assert child.ask(f"ctypes.string_at({at}, 5)") == repr(bytes(5))


@needs_it
def test_code_of_another_process(child: Child) -> None:
    options: dict[str, Any] = {"executable": True, "commit": True, "process": child.handle}
    with Region(PAGE, **options) as region:
        assert child.ask(f"ctypes.memset({region.address}, 0xC3, 1) != 0") == "True"  # ret
        region.protect(0, PAGE, "rx")
        call = f"ctypes.CFUNCTYPE(None)({region.address})()"
        assert child.ask(call) == "None"


@needs_it
@pytest.mark.parametrize(
    "options", [{"highest": (1 << 31) - 1}, {"alignment": 1 << 24}, {"top_down": True}]
)
def test_where(child: Child, options: dict[str, Any]) -> None:
    with Region(PAGE, process=child.handle, **options) as region:
        assert region.address + region.size <= options.get("highest", 1 << 48)
        assert region.address % options.get("alignment", PAGE) == 0
        assert windows_view.run_at(region.address, child.handle).state == "reserved"
        with pytest.raises(ReservationError) as caught:
            Region(PAGE, address=region.address, process=child.handle)
        assert caught.value.limit == "address"


def acts(region: Region) -> list[Callable[[], object]]:
    """Return what only a process itself can do."""
    return [
        region.view,
        lambda: memoryview(region),
        lambda: region.guard(0, 1),
        region.discard,
        region.lock,
        region.unlock,
        region.prefetch,
        lambda: region.protect(0, PAGE, "rw", nocache=True),
    ]


@needs_it
def test_what_cannot_be_done_from_here(child: Child) -> None:
    with Region(PAGE, commit=True, process=child.handle) as region:
        for act in acts(region):
            with pytest.raises(StateError, match="another process"):
                act()
        assert region.restore() == []
        assert region.__sizeof__() < PAGE


@needs_it
def test_a_process_that_has_ended(child: Child) -> None:
    region = Region(2 * PAGE, process=child.handle)
    child.end()
    with pytest.raises(CommitError):
        region.commit()
    region.release()


@needs_it
def test_a_shared_section(child: Child) -> None:
    section = Section(PAGE)
    handle = section.share(child.handle)
    code = f"growable.Section.from_handle({handle}).view(0, 5).__setitem__(slice(5), b'child')"
    assert child.ask(code) == "None"
    assert bytes(section.view(0, 5)) == b"child"
    section.view(0, 5)[:] = b"given"
    assert child.ask(f"bytes(growable.Section.from_handle({handle}).view(0, 5))") == repr(b"given")
    with pytest.raises(OSError, match="handle"):
        section.share(0x7FFFFFF0)
