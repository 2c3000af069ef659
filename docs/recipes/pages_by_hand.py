"""The classic uses of reserve and commit, one function each, with a picture of the pages.

They are those of the examples that go with VirtualAlloc and VirtualAlloc2: reserve and commit ten
integers; reserve at a given address; commit page by page as data comes; data that a stray write
cannot destroy; memory below 2 GiB; memory near a processor; a table that can always be extended.

    python docs/recipes/pages_by_hand.py
"""

from __future__ import annotations

from collections.abc import Iterator

import growable
from growable import Region


def ten_integers() -> None:
    """Reserve and commit, use, decommit, release."""
    region = Region(10 * 4)  # rounded up to a page
    region.commit()
    with memoryview(region) as view, view.cast("i") as numbers:
        for i in range(10):
            numbers[i] = i * i
        print("ten integers:", list(numbers[:10]))
    region.decommit()  # the memory is gone, the addresses are not
    region.release()


def eight_pages_at_an_address(address: int = 0x40000000) -> None:
    """Reserve there, or be told that the place is taken."""
    try:
        region = Region(8 * growable.info()["page_size"], address=address)
    except growable.ReservationError as error:
        print(f"at {address:#x}: {error}")
        return
    print(f"at {address:#x}: reserved {region.size} bytes")
    region.release()


def records() -> Iterator[bytes]:
    """Give data whose length nobody knows beforehand."""
    for number in range(3000):
        yield f"record {number}\n".encode()


def page_by_page() -> None:
    """Reserve for the largest case, and pay for what comes."""
    with Region(1 << 40, name="records") as region:
        end = committed = 0
        for record in records():
            while end + len(record) > committed:
                region.commit(committed, region.page_size)
                committed += region.page_size
            with region.view(end, len(record)) as place:
                place[:] = record
            end += len(record)
        print(f"page by page: {end} bytes came, {committed} are committed")
        print(region.pages())


def safe_from_stray_writes() -> None:
    """Write a table once, then let nobody write to it: not this program, not a library in C."""
    with Region(1, commit=True) as region:
        with region.view(0, 256) as table:
            table[:] = bytes(255 - i for i in range(256))
        region.protect(0, None, "r")
        with region.view(0, 256) as table:
            try:
                table[0] = 0
            except TypeError as error:
                print("a table that is read-only:", error)
            assert b"\x00\x01".translate(table) == b"\xff\xfe"


def below_two_gibibytes() -> None:
    """Addresses that fit in 31 bits, aligned for a device."""
    with Region(1 << 20, highest=(1 << 31) - 1, alignment=1 << 20, commit=True) as region:
        print(f"below 2 GiB: {region.address:#x}")


def near_a_processor() -> None:
    """Take memory from the first node while it has some."""
    if not growable.capabilities()["prefer_node"]:
        print("a preferred node: this system has none to choose")
        return
    with Region(1 << 20, numa_node=0, commit=True) as region:
        with region.view(0, 1) as first:
            first[0] = 1
        print("a preferred node: the first page is on node", region.query(0).node)


def always_extendable() -> None:
    """A table that grows in place, by far, while everybody keeps a view of its beginning."""
    with Region(1 << 36) as region:
        region.commit(0, 1 << 16)
        with region.view(0, 8) as head:
            head[:] = b"the head"
            for size in (1 << 20, 1 << 24):
                region.commit(0, size)  # what was committed keeps its contents
            print("extended under a view:", bytes(head), region.pages().total("committed"), "bytes")


if __name__ == "__main__":
    ten_integers()
    eight_pages_at_an_address()
    page_by_page()
    safe_from_stray_writes()
    below_two_gibibytes()
    near_a_processor()
    always_extendable()
