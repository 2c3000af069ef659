"""The scenarios of ``growable demo --pages``, each a function of the Stage that it plays on.

They are those of the examples that go with VirtualAlloc and VirtualAlloc2. docs/recipes/ has each
as a program of its own. What the system lacks raises UnsupportedError here, which the stage takes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from growable._core import Region
from growable.cli import race
from growable.cli.report import size_text
from growable.cli.stray_write import TABLE, make_table
from growable.config import capabilities, info
from growable.errors import ReservationError, StateError

if TYPE_CHECKING:
    from growable.cli.pages_demo import Stage

KiB, MiB, GiB = 1 << 10, 1 << 20, 1 << 30

# By which signal differs (SIGSEGV, on macOS SIGBUS); the status is Windows' access violation.
_DIED = ("ended by signal", "ended with status 3221225477")


def raised(kind: type[Exception], act: Callable[..., object], *args: Any, **options: Any) -> bool:
    """Tell whether a call raises this exception."""
    try:
        act(*args, **options)
    except kind:
        return True
    return False


def untouched(region: Region) -> bool:
    """Tell whether the region is one run of reserved pages without memory."""
    (run, *others) = region.pages()
    return not others and run.state == "reserved" and run.resident == 0


def ten_integers(stage: Stage) -> None:
    """Reserve, commit, use, decommit and release."""
    region = Region(40)
    stage.step("Reserve for ten integers: 40 bytes.", region)
    stage.check("the size is rounded up to whole pages", region.size == region.page_size)
    stage.check("no memory is behind it", untouched(region))
    stage.check("looking at it is refused (StateError)", raised(StateError, region.view, 0, 40))

    region.commit()
    stage.step("Commit. The memory is promised; there is none until somebody touches it.", region)
    with region.view(0, 40) as view, view.cast("i") as numbers:
        stage.check("it is zero", numbers.tolist() == [0] * 10)
        for i in range(10):
            numbers[i] = i * i
        stage.step(f"Use it: {numbers.tolist()}.", region)
        if capabilities()["query_resident"]:
            stage.check("one page has memory now", region.pages().resident == region.page_size)
        stage.check(
            "decommit is refused while a view is alive (BufferError)",
            raised(BufferError, region.decommit),
        )
        stage.check("the integers are as written", numbers.tolist() == [i * i for i in range(10)])

    region.decommit()
    stage.step("Decommit. The memory is given back, the addresses are kept.", region)
    stage.check("no memory is behind it", untouched(region))
    region.commit()
    stage.step("Commit again.", region)
    stage.check("it is zero", bytes(region.view(0, 40)) == bytes(40))
    region.release()
    stage.step(f"Release: {region!r}.")
    stage.check("using it is refused (StateError)", raised(StateError, region.commit))


def eight_pages_at_an_address(stage: Stage) -> None:
    """Reserve at 0x40000000, or be told that the place is taken."""
    address, size = 0x40000000, 8 * info()["page_size"]
    try:
        region = Region(size, address=address)
    except ReservationError as error:
        stage.step(f"Reserve 8 pages at {address:#x}: failure. {error}")
        stage.check("the error says that it is the address", error.limit == "address")
        region = Region(size)
        stage.step("Reserve them wherever there is room.", region)
    else:
        stage.step(f"Reserve 8 pages at {address:#x}: success.", region)
        stage.check(f"they begin at {address:#x}", region.address == address)

    with region:
        before = region.pages()
        try:
            Region(size, address=region.address).release()
        except ReservationError as error:
            stage.step(f"Reserve once more where they are: failure. {error}", region)
            stage.check("the error says that it is the address", error.limit == "address")
            stage.check("nothing has changed", region.pages() == before)
        else:
            stage.check("reserving what is reserved is refused", False)


def _records() -> Iterator[bytes]:
    for number in range(3000):
        yield f"record {number}\n".encode()


def page_by_page(stage: Stage) -> None:
    """Reserve for the largest case, commit as data comes."""
    with Region(GiB, name="records") as region:
        page = region.page_size
        stage.step("Reserve for the largest case: 1 GiB.", region)
        stage.check("no memory is behind it", untouched(region))
        region.commit(0, page)
        first = region.view(0, 8)
        stage.step("Commit the first page.", region)
        stage.check("no more than that is committed", region.pages().total("committed") == page)
        end, committed = 0, page
        for record in _records():
            if end + len(record) > committed:
                region.commit(committed, page)
                committed += page
            region.view(end, len(record))[:] = record
            end += len(record)
        stage.step(f"{end:,} bytes came, and whenever a page was full the next was.", region)
        stage.check(
            "as much is committed as came, in whole pages",
            region.pages().total("committed") == committed == -(-end // page) * page,
        )
        stage.check("every record is there", bytes(region.view(0, end)) == b"".join(_records()))
        stage.check("a view taken before they came shows the first", bytes(first) == b"record 0")
        first.release()


def safe_from_stray_writes(stage: Stage) -> None:
    """Make data read-only, for Python and for C."""
    with make_table() as region:
        stage.step(f"Write a table of {len(TABLE)} bytes.", region)
        with region.view(0, len(TABLE)):
            stage.check(
                "making it read-only is refused while a view may write (BufferError)",
                raised(BufferError, region.protect, 0, None, "r"),
            )
        before = region.protect(0, None, "r")
        stage.step('Make its pages read-only: protect(0, None, "r").', region)
        stage.check("what they allowed before is told", before == "rw")
        with region.view(0, len(TABLE)) as view:
            stage.check(
                "writing by a view raises (TypeError)",
                raised(TypeError, view.__setitem__, 0, 0xFF),
            )
            stage.check("the table is as written", view == TABLE)
    stage.step("Let C code write to such a table, each time in a process of its own.")
    _let_c_write(stage)


def _let_c_write(stage: Stage) -> None:
    found = race.run_child("growable.cli.stray_write", {"protected": False}, lambda _: None)
    stage.check("while it is writable, it is destroyed unnoticed", found.get("intact") is False)
    found = race.run_child("growable.cli.stray_write", {"protected": True}, lambda _: None)
    how = found.get("refused") or found.get("error") or "it did"
    stopped = how.startswith(_DIED) or bool(found.get("refused") and found["intact"])
    stage.check(f"while it is read-only, the write does not happen ({how})", stopped)


def below_two_gibibytes(stage: Stage) -> None:
    """Reserve where addresses fit in 31 bits."""
    try:
        region = Region(MiB, highest=2 * GiB - 1, alignment=2 * MiB, commit=True)
    except ReservationError as error:
        if sys.platform != "darwin":
            raise
        stage.lacks(f"the first 4 GiB are not to be had ({error})")
        return
    with region:
        region.view(0, 1)[0] = 1
        stage.step("1 MiB below 2 GiB, at a multiple of 2 MiB, committed and touched.", region)
        stage.check("its last byte is below 2 GiB", region.address + region.size <= 2 * GiB)
        stage.check("it is aligned", region.address % (2 * MiB) == 0)
    with Region(MiB, lowest=GiB, highest=2 * GiB - 1, top_down=True) as region:
        stage.step("1 MiB between 1 and 2 GiB, as high as possible.", region)
        end = region.address + region.size
        stage.check("it is between them", GiB <= region.address and end <= 2 * GiB)


def _touched_node(region: Region) -> int | None:
    region.view(0, 1)[0] = 1
    return region.query(0).node


def preferred_node(stage: Stage) -> None:
    """Take memory from one NUMA node while it has some."""
    nodes = info()["numa_nodes"]
    with Region(MiB, commit=True) as region:
        usual = _touched_node(region) or 0
    with Region(MiB, numa_node=usual, commit=True) as region:
        node = _touched_node(region)
        stage.step(f"1 MiB that prefers node {usual}, its first page touched.", region)
        if nodes == 1:
            stage.say("This machine has one node: nothing to choose, and the same calls.")
        if capabilities()["query_node"]:
            stage.check(f"the page came from node {usual}", node == usual)
    stage.check(
        f"node {nodes}, which is not there, is refused (ValueError)",
        raised(ValueError, Region, MiB, numa_node=nodes),
    )


def ring_from_placeholders(stage: Stage) -> None:
    """Map the same pages twice, side by side."""
    half = 64 * KiB
    with Region(2 * half, placeholder=True, name="ring") as region:
        stage.step(f"Reserve {size_text(2 * half)} as one placeholder.", region)
        stage.check("it cannot be used yet (StateError)", raised(StateError, region.commit))
        region.split(half)
        stage.step("Split it in the middle.", region)
        stage.check("there are two", _states(region) == ["placeholder"] * 2)
        _map_twice(region, half)
        stage.step("Replace each half by the same pages of a Section.", region)
        with region.view() as both:
            both[half - 3 : half + 3] = b"across"
            stage.check(
                "what is written past the end is at the beginning", bytes(both[:3]) == b"oss"
            )
            stage.check("100,000 messages go through, each in one piece", _messages(both, half))
        region.unmap(0, half, preserve=True)
        region.unmap(half, half, preserve=True)
        stage.step("Unmap both, and keep the addresses.", region)
        stage.check("there are two placeholders again", _states(region) == ["placeholder"] * 2)
        region.coalesce(0, 2 * half)
        stage.step("Join them.", region)
        stage.check("there is one", _states(region) == ["placeholder"])


def _states(region: Region) -> list[str]:
    return [run.state for run in region.pages()]


def _map_twice(region: Region, half: int) -> None:
    from growable.section import Section  # brings multiprocessing along, which takes its time

    with Section(half) as section:
        region.replace(0, half, section)
        region.replace(half, half, section)


def _messages(both: memoryview, half: int) -> bool:
    written = 0
    for number in range(100_000):
        message = b"message %d\n" % number
        at = written % half
        both[at : at + len(message)] = message
        if both[at : at + len(message)] != message:
            return False
        written += len(message)
    return both[:half] == both[half:]


def extended_by_neighbours(stage: Stage) -> None:
    """Reserve the next addresses when they are needed."""
    with Region(64 * MiB) as free:
        place = free.address  # so much is free behind it, for now
    with Region(MiB, address=place, commit=True) as first:
        stage.step("1 MiB, with free addresses behind it.", first)
        stage.check("it begins where it was told to", first.address == place)
        with Region(MiB, address=place + MiB, commit=True) as second:
            stage.step("Reserve the next 1 MiB, with address=.", first, second)
            stage.check("there is no gap", first.address + first.size == second.address)
            before = second.pages()
            refused = raised(ReservationError, Region, MiB, address=place + MiB)
            stage.step("Reserve that once more: somebody else might have had it.", second)
            stage.check("it is refused (ReservationError)", refused)
            stage.check("nothing has changed", second.pages() == before)


def extended_in_a_placeholder(stage: Stage) -> None:
    """Keep the addresses first, and replace them piece by piece."""
    with Region(GiB, placeholder=True, name="kept") as region:
        stage.step("Keep 1 GiB of addresses: one placeholder.", region)
        region.split(MiB)
        region.replace(0, MiB)
        stage.step("Split 1 MiB off, and replace it by memory.", region)
        stage.check("as much is committed", region.pages().total("committed") == MiB)
        with region.view(0, 4) as head:
            head[:] = b"head"
            region.split(2 * MiB)
            region.replace(MiB, MiB)
            stage.step("And the next, while somebody looks at the first.", region)
            stage.check("the view shows what it did", bytes(head) == b"head")
        with region.view(0, 2 * MiB) as whole:
            stage.check(
                "one view shows both", len(whole) == 2 * MiB and bytes(whole[:4]) == b"head"
            )


SCENES: tuple[tuple[str, Callable[[Stage], None]], ...] = (
    ("Ten integers", ten_integers),
    ("Eight pages at 0x40000000", eight_pages_at_an_address),
    ("Commit page by page as data comes", page_by_page),
    ("Data that a stray write cannot destroy", safe_from_stray_writes),
    ("Aligned memory below 2 GiB", below_two_gibibytes),
    ("Memory with a preferred node", preferred_node),
    ("A ring buffer from placeholders", ring_from_placeholders),
    ("A region extended in its placeholder", extended_in_a_placeholder),
    ("A region extended by its neighbours", extended_by_neighbours),
)
"""What is played, in this order, with the titles that people see."""
