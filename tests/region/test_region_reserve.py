"""Reserving: sizes, places, kinds, and what is refused."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable

import growable
import pytest
from growable import Region, ReservationError, StateError, UnsupportedError
from region_support import (
    CAN,
    access_of_range,
    dies,
    linux_only,
    linux_or_windows,
    plain_only,
    system_access,
    told_states,
)
from support import PAGE, run_child

GRANULARITY = growable.info()["granularity"]
MIB = 1 << 20


class SubRegion(Region):
    """A subclass that adds nothing but a `__dict__`."""


@pytest.mark.parametrize("kind", [Region, SubRegion])
def test_the_size_is_rounded_up_to_pages(kind: type[Region]) -> None:
    for size, rounded in [(1, PAGE), (PAGE, PAGE), (PAGE + 1, 2 * PAGE)]:
        region = kind(size)
        assert region.size == len(region) == rounded
        assert region.address % region.granularity == 0
        assert region.page_size == PAGE
        assert told_states(region) == "r" * (rounded // PAGE)
        region.release()


def test_a_terabyte_costs_one_run() -> None:
    with Region(1 << 40) as region:
        assert len(region.pages()) == 1
        region.commit(1 << 39, 1)
        region.view(1 << 39, 1)[0] = 5
        assert [run.state for run in region.pages()] == ["reserved", "committed", "reserved"]
        assert sys.getsizeof(region) < 3 * PAGE


@linux_or_windows
def test_reserved_pages_have_no_access() -> None:
    with Region(4 * PAGE) as region:
        assert system_access(region) == ["none"] * 4


@linux_or_windows
@plain_only
def test_touching_a_reserved_page_is_fatal() -> None:
    assert dies("r = Region(4 * P)\nnear()\nread(r.address)\n")
    assert not dies("r = Region(4 * P, commit=True)\nnear()\nwrite(r.address + 4 * P - 1)\n")


@pytest.mark.parametrize("size", [0, -1, 1 << 63, 1 << 200, sys.maxsize])
def test_impossible_sizes(size: int) -> None:
    with pytest.raises(ValueError, match=r"size|no Region can have"):
        Region(size)


def test_sizes_that_are_none() -> None:
    for size in ["1", 1.5, None]:
        with pytest.raises(TypeError):
            Region(size)  # type: ignore[arg-type]


def test_no_addresses() -> None:
    with pytest.raises(ReservationError, match="cannot reserve") as caught:
        Region(1 << 55)
    assert caught.value.operation == "Region"
    assert caught.value.requested == 1 << 55
    assert caught.value.limit
    assert caught.value.error_code
    assert isinstance(caught.value, MemoryError)


@linux_only
@plain_only
def test_a_limit_of_addresses_is_named() -> None:
    code = """
        import growable
        try:
            growable.Region(1 << 33)
        except growable.ReservationError as error:
            print(error.limit, error.requested == 1 << 33)
    """
    assert run_child(code, ulimit="-v 4000000").stdout == "RLIMIT_AS True\n"


# At an address.


def free_address() -> int:
    region = Region(16 * MIB)
    address = region.address
    region.release()
    return address


def test_at_an_address() -> None:
    address = free_address()
    with Region(3 * PAGE, address=address) as region:
        assert region.address == address
        assert region.size == 3 * PAGE


def test_the_address_is_rounded_down_and_all_bytes_are_there() -> None:
    address = free_address()
    with Region(GRANULARITY, address=address + 100) as region:
        assert region.address == address
        assert region.size >= GRANULARITY + 100
        assert region.size % PAGE == 0


def test_an_occupied_address() -> None:
    with Region(4 * PAGE, commit=True) as region:
        region.view()[:5] = b"taken"
        with pytest.raises(ReservationError, match="in use") as caught:
            Region(PAGE, address=region.address)
        assert caught.value.limit == "address"
        with pytest.raises(ReservationError):
            Region(64 * MIB, address=region.address - GRANULARITY)
        assert bytes(region.view(0, 5)) == b"taken"


def test_eight_pages_at_the_classic_address() -> None:
    code = """
        import growable
        try:
            region = growable.Region(8 * 4096, address=0x40000000)
        except growable.ReservationError as error:
            print("refused", error.limit)
        else:
            print("reserved", hex(region.address))
    """
    assert run_child(code).stdout in ("reserved 0x40000000\n", "refused address\n")


@pytest.mark.parametrize(
    "other", [{"alignment": 1 << 20}, {"lowest": 1 << 20}, {"highest": 1 << 40}, {"top_down": True}]
)
def test_an_address_goes_alone(other: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="address="):
        Region(PAGE, address=1 << 32, **other)  # type: ignore[arg-type]


@pytest.mark.parametrize("address", [-1, 0, 1, 1 << 64, 1 << 100])
def test_impossible_addresses(address: int) -> None:
    with pytest.raises(ValueError, match="address"):
        Region(PAGE, address=address)


def test_arguments_of_the_wrong_type() -> None:
    for name in ("address", "alignment", "lowest", "highest", "numa_node", "page_size"):
        with pytest.raises(TypeError):
            Region(PAGE, **{name: "1"})  # type: ignore[arg-type]
    with Region(PAGE, commit=True) as region:
        for act in (
            lambda: region.discard(priority="low"),  # type: ignore[arg-type]
            lambda: region.written(1, 2),  # type: ignore[call-arg]
            lambda: region.split("0"),  # type: ignore[arg-type]
            lambda: region.replace(0, PAGE, 5),  # type: ignore[arg-type]
            lambda: region.unmap(0, "1"),  # type: ignore[arg-type]
            lambda: region.protect(0, 1),  # type: ignore[call-arg]
        ):
            with pytest.raises(TypeError):
                act()


# Address requirements.


@pytest.mark.parametrize("power", [16, 21, 30, 36])
def test_alignment(power: int) -> None:
    with Region(PAGE, alignment=1 << power) as region:
        assert region.address % (1 << power) == 0


@pytest.mark.parametrize("alignment", [1, PAGE // 2, 3 * PAGE, PAGE + 1, -PAGE, 0])
def test_impossible_alignments(alignment: int) -> None:
    with pytest.raises(ValueError, match="alignment"):
        Region(PAGE, alignment=alignment)


def test_below_two_gibibytes() -> None:
    with Region(MIB, highest=(1 << 31) - 1, alignment=MIB) as region:
        assert region.address + region.size <= 1 << 31
        assert region.address % MIB == 0


@plain_only
def test_between_two_addresses() -> None:
    lowest, highest = 1 << 32, (1 << 33) - 1
    regions = [Region(256 * MIB, lowest=lowest, highest=highest) for _ in range(4)]
    for region in regions:
        assert lowest <= region.address
        assert region.address + region.size - 1 <= highest
    assert len({region.address for region in regions}) == 4


@plain_only
def test_no_room_between_two_addresses() -> None:
    lowest = 1 << 34
    held = Region(64 * MIB, lowest=lowest, highest=lowest + 64 * MIB - 1)
    with pytest.raises(ReservationError) as caught:
        Region(MIB, lowest=held.address, highest=held.address + 32 * MIB - 1)
    assert caught.value.limit == "lowest=, highest="
    with pytest.raises(ValueError, match="do not fit"):
        Region(2 * MIB, lowest=lowest, highest=lowest + MIB - 1)
    with pytest.raises(ValueError, match="do not fit"):
        Region(PAGE, lowest=1 << 35, highest=1 << 34)


def test_top_down() -> None:
    with Region(PAGE) as ordinary, Region(PAGE, top_down=True) as high:
        assert high.address > ordinary.address - (1 << 40)
        high.commit()


# Kinds.


def test_a_preferred_node() -> None:
    if not CAN["prefer_node"]:
        with pytest.raises(UnsupportedError):
            Region(PAGE, numa_node=0)
        return
    with Region(4 * PAGE, numa_node=0, commit=True) as region:
        region.view()[0] = 1
        assert region.query(0).node in (0, None)
        region.decommit(0, PAGE)
        region.commit(0, PAGE)
        region.view()[0] = 1
        assert region.query(0).node in (0, None)
    for node in (-1, growable.info()["numa_nodes"], 1 << 40):
        with pytest.raises(ValueError, match="node"):
            Region(PAGE, numa_node=node)


def test_large_pages_that_are_not_there() -> None:
    sizes = growable.info()["large_page_sizes"]
    if not CAN["large_pages"] or not sizes:
        with pytest.raises(UnsupportedError):
            Region(PAGE, page_size=1 << 21)
        return
    with pytest.raises(ValueError, match="large_page_sizes"):
        Region(PAGE, page_size=3 * PAGE)
    largest = sizes[-1]
    with pytest.raises(ReservationError) as caught:  # more of them than any machine has free
        Region(largest << 12, page_size=largest)
    assert caught.value.limit == "free large pages"
    with pytest.raises(ValueError, match="page_size= goes without"):
        Region(PAGE, page_size=sizes[0], placeholder=True)
    with pytest.raises(ValueError, match="multiple of page_size"):
        Region(PAGE, page_size=sizes[0], address=sizes[0] * 512 + PAGE)
    Region(PAGE, page_size=PAGE).release()


LARGE = """
    import growable, sys
    from growable import Region, StateError
    size = growable.info()["large_page_sizes"][0]
    try:
        r = Region(1, page_size=size)
    except growable.ReservationError as error:
        print(error.limit)
        sys.exit()
    assert r.size == r.page_size == size and r.address % size == 0
    view = r.view()
    view[0], view[-1] = 1, 2
    run = r.query(0)
    assert (run.state, run.access, run.resident) == ("committed", "rw", size), run
    assert run.huge == size, run
    for refused in (r.decommit, r.commit, r.discard):
        try:
            refused(0, 1)
        except StateError:
            pass
        else:
            sys.exit("not refused")
    view.release()
    assert r.protect(0, size, "r") == "rw"
    assert r.view()[0] == 1
    r.release()
    r = Region(1, page_size=size, access="r")
    assert r.view().readonly
    r.release()
    print("large")
"""


@linux_only
def test_large_pages() -> None:
    """Takes one page from the system where it is allowed to, and gives it back."""
    path = "/proc/sys/vm/nr_hugepages"
    try:
        with open(path) as file:
            before = file.read()
        with open(path, "w") as file:
            file.write(str(int(before) + 1))
    except OSError:
        pytest.skip("may not ask the system for large pages")
    try:
        assert run_child(LARGE).stdout in ("large\n", "free large pages\n")
    finally:
        with open(path, "w") as file:
            file.write(before)


def test_names() -> None:
    with Region(PAGE, name="frames") as region:
        assert region.name == "frames"
        assert "frames" in str(region.pages())
    with pytest.raises(ValueError, match="null"):
        Region(PAGE, name="a\0b")
    with pytest.raises(TypeError):
        Region(PAGE, name=b"x")  # type: ignore[arg-type]


def test_kinds_that_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="exclude"):
        Region(PAGE, placeholder=True, write_watch=True)
    with pytest.raises(ValueError, match="placeholder"):
        Region(PAGE, placeholder=True, commit=True)


def test_windows_onto_physical_pages_are_not_built() -> None:
    with pytest.raises(UnsupportedError, match="Section") as caught:
        Region(PAGE, physical=True)
    assert caught.value.limit == "SeLockMemoryPrivilege"
    assert not CAN["physical_pages"]


# The end of it.


@linux_or_windows
def test_release_gives_the_addresses_back() -> None:
    region = Region(16 * PAGE, commit=True)
    address, size = region.address, region.size
    region.release()
    assert access_of_range(address, size) == ["free"] * 16
    region.release()  # again is nothing
    assert region.released
    assert repr(region) == "<released growable.Region>"


def test_a_released_region_refuses() -> None:
    region = Region(PAGE, commit=True)
    region.release()
    uses = [
        region.commit,
        region.decommit,
        region.discard,
        region.restore,
        region.lock,
        region.unlock,
        region.prefetch,
        region.pages,
        region.written,
        region.view,
        region.plot,
        lambda: region.protect(0, 1, "r"),
        lambda: region.query(0),
        lambda: region.split(PAGE),
        lambda: region.coalesce(0, PAGE),
        lambda: region.replace(0, PAGE),
        lambda: region.unmap(0, PAGE, preserve=True),
        lambda: len(region),
        lambda: region.address,
        lambda: memoryview(region),
        region.__enter__,
    ]
    for use in uses:
        with pytest.raises(StateError, match="released") as caught:
            use()
        assert caught.value.operation
    assert region.size == PAGE


def test_with_releases() -> None:
    with Region(PAGE) as region:
        assert not region.released
    assert region.released


def test_a_partial_release_is_refused() -> None:
    with Region(4 * PAGE) as region:
        for args, kwargs in (
            ((PAGE,), {}),
            ((0, PAGE), {}),
            ((), {"offset": 0, "length": PAGE}),
            ((), {"length": PAGE, "force": True}),
        ):
            with pytest.raises(TypeError, match=f"a part .* cannot be released.* {4 * PAGE} bytes"):
                region.release(*args, **kwargs)  # type: ignore[misc, arg-type]
        assert not region.released


@pytest.mark.parametrize(
    ("place", "limit"),
    [
        ({"address": 1 << 63}, "address="),
        ({"address": 0xFFFF800000000000}, "address="),
        ({"lowest": 1 << 62}, "lowest="),
        ({"alignment": 1 << 62}, "alignment="),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other words for it")
def test_places_that_no_process_has(place: dict[str, int], limit: str) -> None:
    with pytest.raises(ReservationError, match="beyond those that a process can have") as caught:
        Region(PAGE, **place)  # type: ignore[arg-type]
    assert caught.value.limit == limit


def test_an_access_without_pages_to_have_it() -> None:
    for access in ("r", "none"):
        with pytest.raises(ValueError, match="pass commit=True"):
            Region(PAGE, access=access)  # type: ignore[arg-type]
        with Region(PAGE, commit=True, access=access) as region:  # type: ignore[arg-type]
            assert region.query(0).access == access


def test_numbers_are_told_with_operation_and_name() -> None:
    cases: dict[str, Callable[[], object]] = {
        "Region: size must be at least 1, not -5": lambda: Region(-5),
        "Region: size must be at least 1, not 0": lambda: Region(0),
        f"Region: size must be at most {sys.maxsize}, not {1 << 64}": lambda: Region(1 << 64),
        f"Region: size must be at least 1, not {-1 << 64}": lambda: Region(-1 << 64),
        "Region: address must be from 1": lambda: Region(PAGE, address=0),
        "Region: numa_node must be at least 0": lambda: Region(PAGE, numa_node=-1),
        "commit: offset must be at least 0, not -1": lambda: Region(PAGE).commit(-1),
        "view: length must be at least 0, not -1": lambda: Region(PAGE).view(0, -1),
        "query: offset must be at least 0, not -1": lambda: Region(PAGE).query(-1),
    }
    for message, use in cases.items():
        with pytest.raises(ValueError, match=message):
            use()
    cases = {
        "Region: size must be an integer, not str": lambda: Region("1GiB"),  # type: ignore[arg-type]
        "Region: size must be an integer, not float": lambda: Region(1e6),  # type: ignore[arg-type]
        "Region: address must be an integer": lambda: Region(1, address="x"),  # type: ignore[arg-type]
        "protect: offset must be an integer, not str": lambda: Region(PAGE).protect(
            "r",  # type: ignore[arg-type]
            0,
            PAGE,  # type: ignore[arg-type]
        ),
        "lock: length must be an integer": lambda: Region(PAGE).lock(0, "x"),  # type: ignore[arg-type]
    }
    for message, use in cases.items():
        with pytest.raises(TypeError, match=message):
            use()


@linux_or_windows
def test_the_last_reference_releases() -> None:
    region = Region(16 * PAGE, commit=True)
    address, size = region.address, region.size
    gone = weakref.ref(region)
    del region
    gc.collect()
    assert gone() is None
    assert access_of_range(address, size) == ["free"] * 16


def test_a_cycle_through_a_subclass_is_collected() -> None:
    region = SubRegion(PAGE, commit=True)
    region.me = region  # type: ignore[attr-defined]
    gone = weakref.ref(region)
    del region
    gc.collect()
    assert gone() is None


def test_repr() -> None:
    with Region(4 * PAGE) as region:
        region.commit(0, PAGE)
        shown = f"<growable.Region of {4 * PAGE} bytes at {region.address:#x}, {PAGE} committed>"
        assert repr(region) == shown
