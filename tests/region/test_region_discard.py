"""Discard and restore: which contents were dropped is told exactly."""

from __future__ import annotations

import random
import struct

import pytest
from growable import Region, StateError, UnsupportedError
from region_support import (
    CAN,
    MADV_DONTNEED,
    MADV_PAGEOUT,
    Refusal,
    drop,
    linux_only,
    plain_only,
    told_states,
)
from support import PAGE

PAGES = 24


def joined(pages: list[int]) -> list[tuple[int, int]]:
    """Return page numbers as byte ranges, neighbours as one."""
    ranges: list[tuple[int, int]] = []
    for page in pages:
        if ranges and sum(ranges[-1]) == page * PAGE:
            ranges[-1] = (ranges[-1][0], ranges[-1][1] + PAGE)
        else:
            ranges.append((page * PAGE, PAGE))
    return ranges


def gone(region: Region) -> list[bool]:
    """Return for each page whether nothing stands behind it, in memory or in swap."""
    with open("/proc/self/pagemap", "rb") as file:
        file.seek(region.address // PAGE * 8)
        entries = struct.unpack(f"{region.size // PAGE}Q", file.read(region.size // PAGE * 8))
    return [not entry >> 62 for entry in entries]


def random_page(rng: random.Random) -> bytes:
    """Return a page: all zero, full, or zero but for one byte."""
    kind = rng.random()
    if kind < 0.3:
        return bytes(PAGE)
    if kind < 0.5:
        return rng.randbytes(PAGE - 1) + b"\1"
    page = bytearray(PAGE)
    page[rng.choice([0, PAGE - 1, rng.randrange(PAGE)])] = rng.randrange(1, 256)
    return bytes(page)


def random_range(rng: random.Random) -> tuple[int, int]:
    first = rng.randrange(PAGES)
    return first, rng.randint(1, PAGES - first)


def one_case(region: Region, rng: random.Random) -> int:
    """Fill, discard, drop, restore, compare. Return how many pages were lost."""
    content = [random_page(rng) for _ in range(PAGES)]
    with region.view() as view:
        view[:] = b"".join(content)
    discarded: set[int] = set()
    for _ in range(rng.randint(1, 3)):
        first, count = random_range(rng)
        region.discard(first * PAGE, count * PAGE)
        discarded |= set(range(first, first + count))
    for _ in range(rng.randint(0, 3)):
        dropped = rng.sample(sorted(discarded), rng.randint(0, len(discarded)))
        advice = rng.choice([MADV_DONTNEED, MADV_PAGEOUT])
        for page in dropped:
            drop(region, page * PAGE, PAGE, advice)
        if rng.random() < 0.3 and dropped:  # a second discard of what is discarded
            region.discard(dropped[0] * PAGE, PAGE)
    absent = gone(region)
    expected = [page for page in sorted(discarded) if absent[page] and any(content[page])]
    lost = []
    if rng.random() < 0.5:
        half = rng.randint(1, PAGES - 1) * PAGE
        lost = region.restore(0, half) + region.restore(half)
        if len(lost) > 1:
            lost = joined([at // PAGE + i for at, n in lost for i in range(n // PAGE)])
    else:
        lost = region.restore()
    assert lost == joined(expected)
    with region.view() as view:
        for page, data in enumerate(content):
            wanted = bytes(PAGE) if page in expected else data
            assert view[page * PAGE : (page + 1) * PAGE] == wanted, page
    assert not any(run.discarded for run in region.pages())
    return len(expected)


@linux_only
def test_a_thousand_random_cases() -> None:
    rng = random.Random(20240611)
    lost = 0
    with Region(PAGES * PAGE, commit=True) as region:
        for _ in range(1000):
            lost += one_case(region, rng)
    assert lost > 1000


@linux_only
def test_restored_pages_stay() -> None:
    """What was restored is not dropped afterwards: it is dirty again."""
    with Region(4 * PAGE, commit=True) as region:
        region.view()[:] = b"x" * 4 * PAGE
        region.discard()
        assert region.restore() == []
        drop(region, 0, 4 * PAGE, MADV_PAGEOUT)
        assert bytes(region.view()) == b"x" * 4 * PAGE


@linux_only
def test_dropped_pages_are_told() -> None:
    with Region(6 * PAGE, commit=True) as region:
        region.view()[:] = b"x" * 6 * PAGE
        region.view(5 * PAGE)[:] = bytes(PAGE)
        region.discard(PAGE)
        drop(region, PAGE, 2 * PAGE)
        drop(region, 4 * PAGE, 2 * PAGE)
        assert region.restore(0, 2 * PAGE) == [(PAGE, PAGE)]
        assert region.restore() == [(2 * PAGE, PAGE), (4 * PAGE, PAGE)]
        assert region.restore() == []


def test_what_is_told_lost_is_what_is_gone() -> None:
    """Whatever this system drops, and when."""
    with Region(8 * PAGE, commit=True) as region:
        for page in range(8):
            region.view(page * PAGE, PAGE)[:] = bytes([page + 1]) * PAGE
        region.discard(PAGE, 5 * PAGE)
        lost = region.restore()
        for page in range(8):
            told = any(at <= page * PAGE < at + length for at, length in lost)
            expected = bytes(PAGE) if told else bytes([page + 1]) * PAGE
            assert bytes(region.view(page * PAGE, PAGE)) == expected
        assert all(PAGE <= at and at + length <= 6 * PAGE for at, length in lost)


def test_restore_without_discard() -> None:
    with Region(4 * PAGE) as region:
        assert region.restore() == []
        region.commit(0, PAGE)
        assert region.restore() == []


def test_zero_pages_lose_nothing() -> None:
    with Region(1024 * PAGE, commit=True) as region:
        region.discard()
        assert region.pages()[0].discarded
        assert region.restore() == []


def test_decommit_ends_a_discard() -> None:
    with Region(4 * PAGE, commit=True) as region:
        region.view()[:] = b"x" * 4 * PAGE
        region.discard()
        region.decommit(PAGE, 2 * PAGE)
        assert told_states(region) == "crrc"
        region.commit(PAGE, 2 * PAGE)
        assert bytes(region.view(PAGE, 2 * PAGE)) == bytes(2 * PAGE)
        assert region.restore() == []
        assert bytes(region.view(0, PAGE)) == b"x" * PAGE


def test_commit_leaves_discarded_pages_discarded() -> None:
    with Region(2 * PAGE, commit=True) as region:
        region.discard(0, PAGE)
        region.commit()
        assert [run.discarded for run in region.pages()] == [True, False]
        region.protect(0, PAGE, "r")
        for use in (region.restore, region.view):
            with pytest.raises(StateError, match=r"discarded.*protect\(\) them with access 'rw'"):
                use()
        region.protect(0, PAGE, "rw")
        assert region.restore() == []


def test_what_cannot_be_discarded() -> None:
    with Region(4 * PAGE, commit=True) as region:
        region.protect(PAGE, PAGE, "r")
        region.decommit(2 * PAGE, PAGE)
        refusal = Refusal(region)
        for page in (1, 2):
            with pytest.raises(StateError, match=f"offset {page * PAGE}"):
                region.discard(0, (page + 1) * PAGE) if page == 1 else region.discard(page * PAGE)
        refusal.check()


def test_priorities() -> None:
    with Region(PAGE, commit=True) as region:
        for priority in (0, 5, -1):
            with pytest.raises(ValueError, match="priority"):
                region.discard(priority=priority)
        region.discard(priority=None)
        region.restore()
        if CAN["offer"]:
            region.discard(priority=1)
            assert region.restore() in ([], [(0, PAGE)])
        else:
            with pytest.raises(UnsupportedError, match="offer") as caught:
                region.discard(priority=1)
            assert caught.value.operation == "discard"


@linux_only
@plain_only
def test_a_locked_page_is_not_discarded() -> None:
    with Region(4 * PAGE, commit=True) as region:
        region.view()[:] = b"x" * 4 * PAGE
        region.lock(2 * PAGE, PAGE)
        with pytest.raises(StateError, match=r"discard: .* locked .* unlock\(\)") as caught:
            region.discard()
        assert caught.value.error_code
        assert region.restore() == []
        assert bytes(region.view()) == b"x" * 4 * PAGE
