"""Views of a Region, what they keep from happening, and what force=True allows."""

from __future__ import annotations

import gc
import pickle
import struct
from collections.abc import Callable

import numpy as np
import pytest
from growable import Region, StateError
from region_support import (
    Refusal,
    dies,
    linux_only,
    linux_or_windows,
    plain_only,
    told_access,
    told_states,
)
from support import PAGE, address_of, run_child


def test_the_region_exports_its_accessible_beginning() -> None:
    with Region(8 * PAGE) as region:
        with pytest.raises(StateError, match="reserved"):
            memoryview(region)
        region.commit(0, 3 * PAGE)
        region.commit(5 * PAGE)
        view = memoryview(region)
        assert view.nbytes == 3 * PAGE
        assert not view.readonly
        assert address_of(view) == region.address
        view.release()
        region.protect(0, PAGE, "r")
        assert memoryview(region).readonly
        assert memoryview(region).nbytes == 3 * PAGE


def test_numpy_reads_and_writes() -> None:
    region = Region(4 * PAGE, commit=True)
    array = np.frombuffer(region, np.int64, 100)
    array[:] = np.arange(100)
    assert struct.unpack_from("<q", region, 8 * 99) == (99,)
    assert region.exports >= 1
    with pytest.raises(BufferError):
        region.release()
    del array
    gc.collect()
    assert region.exports == 0
    region.release()


def test_ten_integers() -> None:
    """The classic: reserve and commit ten ints, use them, decommit, release."""
    region = Region(10 * 4)
    region.commit(0, 10 * 4)
    numbers = memoryview(region).cast("i")[:10]
    for i in range(10):
        numbers[i] = i * i
    assert list(numbers) == [i * i for i in range(10)]
    del numbers
    gc.collect()
    region.decommit()
    region.release()


def test_views_of_ranges() -> None:
    with Region(8 * PAGE, commit=True) as region:
        view = region.view(PAGE + 3, 10)
        assert view.nbytes == 10
        assert view.obj is region
        assert address_of(view) == region.address + PAGE + 3
        view[:] = b"0123456789"
        assert bytes(region.view(PAGE, 13)[3:]) == b"0123456789"
        region.protect(2 * PAGE, PAGE, "r")
        assert region.view(2 * PAGE, PAGE).readonly
        assert region.view(PAGE, 2 * PAGE).readonly
        assert not region.view(3 * PAGE, PAGE).readonly
        assert region.view(3 * PAGE).nbytes == 5 * PAGE
        with pytest.raises(TypeError):
            region.view(2 * PAGE, 1)[0] = 1
        view.release()


def test_a_view_of_pages_that_are_not_there() -> None:
    with Region(4 * PAGE) as region:
        region.commit(0, PAGE)
        for offset, length in [(0, PAGE + 1), (PAGE, 1), (2 * PAGE, None)]:
            with pytest.raises(StateError, match="reserved"):
                region.view(offset, length)
        assert region.exports == 0


def test_exports_are_counted() -> None:
    with Region(2 * PAGE, commit=True) as region:
        first = region.view(0, 5)
        second = first[1:3]
        third = memoryview(region)
        assert region.exports == 2
        first.release()
        assert region.exports == 2  # the slice holds it
        second.release()
        assert region.exports == 1
        third.release()
        assert region.exports == 0


def test_a_view_keeps_the_region_alive() -> None:
    view = Region(PAGE, commit=True).view(0, 4)
    gc.collect()
    view[:] = b"live"
    assert bytes(view) == b"live"


BLOCKED: list[tuple[str, Callable[[Region], object], bool, bool]] = [
    # what, whether it hurts a writable view of page 1, and a read-only one
    ("release", lambda r: r.release(), True, True),
    ("decommit all", lambda r: r.decommit(), True, True),
    ("decommit it", lambda r: r.decommit(PAGE, 1), True, True),
    ("decommit another", lambda r: r.decommit(0, PAGE), False, False),
    ("protect none", lambda r: r.protect(PAGE, PAGE, "none"), True, True),
    ("protect r", lambda r: r.protect(0, None, "r"), True, False),
    ("protect rx", lambda r: r.protect(0, None, "rx"), True, False),
    ("protect rw", lambda r: r.protect(0, None, "rw"), False, False),
    ("protect another", lambda r: r.protect(2 * PAGE, PAGE, "none"), False, False),
    ("commit r", lambda r: r.commit(0, None, "r"), True, False),
    ("commit none", lambda r: r.commit(PAGE, 1, "none"), True, True),
    ("commit rw", lambda r: r.commit(), False, False),
    ("lock", lambda r: r.lock(), False, False),
    ("prefetch", lambda r: r.prefetch(), False, False),
]


@pytest.mark.parametrize(
    ("act", "hurts_writer", "hurts_reader"),
    [row[1:] for row in BLOCKED],
    ids=[b[0] for b in BLOCKED],
)
@pytest.mark.parametrize("writable", [True, False])
def test_what_a_view_keeps_from_happening(
    act: Callable[[Region], object], hurts_writer: bool, hurts_reader: bool, writable: bool
) -> None:
    region = Region(3 * PAGE, commit=True, executable=True)
    if not writable:
        region.protect(PAGE, PAGE, "r")
    view = region.view(PAGE, PAGE)
    if hurts_writer if writable else hurts_reader:
        refusal = Refusal(region)
        with pytest.raises(BufferError, match=f"offset {PAGE}"):
            act(region)
        refusal.check()
        view.release()
        act(region)
    else:
        act(region)
        assert len(bytes(view)) == PAGE
        view.release()
    region.release()


def test_a_discard_needs_the_pages_for_itself() -> None:
    with Region(4 * PAGE, commit=True) as region:
        view = region.view(0, PAGE)
        with pytest.raises(BufferError):
            region.discard()
        region.discard(PAGE)
        view.release()
        with pytest.raises(StateError, match=r"discarded.*restore"):
            region.view(PAGE, 1)
        assert memoryview(region).nbytes == PAGE
        region.restore()
        region.view(PAGE, 1).release()


def test_read_only_data_survives_a_stray_write() -> None:
    region = Region(PAGE, commit=True)
    region.view()[:4] = b"safe"
    region.protect(0, None, "r")
    array = np.frombuffer(region, np.uint8)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 0
    with pytest.raises(BufferError):
        region.protect(0, None, "none")
    assert bytes(region.view(0, 4)) == b"safe"


@linux_or_windows
@pytest.mark.parametrize(
    "act",
    [
        "r.release(force=True)",
        "r.decommit(force=True)",
        "r.protect(0, None, 'none', force=True)",
        "r.protect(0, None, 'r', force=True)",
    ],
)
@plain_only
def test_force_is_the_way_to_a_crash(act: str) -> None:
    head = "r = Region(2 * P, commit=True)\nv = memoryview(r)\nv[0] = 1\n"
    assert dies(head + act + "\nnear()\nv[0] = 2\n")
    assert not dies(head + "near()\nv[0] = 2\n")


def test_a_view_that_outlives_a_forced_release_can_be_let_go() -> None:
    region = Region(PAGE, commit=True)
    view, other = region.view(), region.view(0, 5)
    region.release(force=True)
    assert region.exports == 2
    view.release()
    other.release()
    assert region.exports == 0
    assert region.released


def test_readinto_a_region() -> None:
    import io

    with Region(PAGE, commit=True, access="r") as region:
        with pytest.raises((BufferError, TypeError)):
            io.BytesIO(b"data").readinto(region)
        assert region.exports == 0
    with Region(PAGE, commit=True) as region:
        assert io.BytesIO(b"some data").readinto(region.view(10, 9)) == 9
        assert bytes(region.view(10, 9)) == b"some data"


def test_pickling_is_refused() -> None:
    import copy

    with Region(PAGE, commit=True) as region:
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError, match="one process"):
                pickle.dumps(region, protocol)
        with pytest.raises(TypeError, match="one process"):
            copy.copy(region)
        with pytest.raises(TypeError, match="one process"):
            copy.deepcopy(region)


@linux_only
def test_after_a_fork_the_child_has_a_copy() -> None:
    code = """
        import os, sys
        from growable import Region
        r = Region(4 * 4096, commit=True)
        r.view()[:6] = b"parent"
        child = os.fork()
        if child == 0:
            r.view()[:6] = b"child "
            r.decommit(4096)
            r.commit(4096)
            r.release()
            os._exit(0 if r.released else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert bytes(r.view(0, 6)) == b"parent"
        r.view(3 * 4096)[0] = 1
        print("apart")
    """
    assert run_child(code).stdout == "apart\n"


def test_equality_is_identity() -> None:
    with Region(PAGE) as one, Region(PAGE) as two:
        assert one == one
        assert one != two
        assert len({one, two}) == 2


def test_subviews_and_states_agree() -> None:
    with Region(6 * PAGE, commit=True) as region:
        views = [region.view(i * PAGE, PAGE) for i in range(6)]
        views[2].release()
        views[3].release()
        region.decommit(2 * PAGE, 2 * PAGE)
        assert told_states(region) == "ccrrcc"
        assert told_access(region) == ["rw", "rw", "none", "none", "rw", "rw"]
        for i in (0, 1, 4, 5):
            views[i][0] = i
        with pytest.raises(BufferError):
            region.decommit(4 * PAGE, 1)
        del views
