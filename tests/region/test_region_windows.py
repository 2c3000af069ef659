"""What Windows alone can tell of a Region: VirtualQuery and its like, beside what growable says."""

from __future__ import annotations

import ctypes
import sys

import growable
import pytest
import windows_view
from growable import Region, ReservationError, Section, UnsupportedError
from region_support import CAN
from support import PAGE

if sys.platform != "win32":
    pytest.skip("asks Windows", allow_module_level=True)

UNIT = int(growable.info()["granularity"])
needs_placeholders = pytest.mark.skipif(not CAN["placeholder"], reason="there are no placeholders")


def allocations(region: Region) -> list[int]:
    """Return for each unit which one its allocation begins with."""
    bases = [
        windows_view.run_at(at).allocation
        for at in range(region.address, region.address + region.size, UNIT)
    ]
    return [(base - region.address) // UNIT for base in bases]


@pytest.mark.parametrize(
    ("option", "flag"),
    [("nocache", windows_view.PAGE_NOCACHE), ("write_combine", windows_view.PAGE_WRITECOMBINE)],
)
def test_caching_is_what_was_asked_for(option: str, flag: int) -> None:
    with Region(3 * PAGE, commit=True) as region:
        assert region.protect(PAGE, PAGE, "rw", **{option: True}) == "rw"  # type: ignore[call-overload]
        found = [windows_view.run_at(region.address + n * PAGE).protection for n in range(3)]
        assert [protection & flag for protection in found] == [0, flag, 0]
        region.protect(PAGE, PAGE, "rw")
        assert windows_view.run_at(region.address + PAGE).protection & flag == 0


@pytest.mark.parametrize("option", ["nocache", "write_combine"])
def test_pages_of_another_caching_hold_what_is_written(option: str) -> None:
    with Region(2 * PAGE, commit=True) as region:
        region.protect(0, PAGE, "rw", **{option: True})  # type: ignore[call-overload]
        region.view(0, 5)[:] = b"there"
        assert bytes(region.view(0, 5)) == b"there"


def test_write_watch_agrees_with_the_system() -> None:
    call = ctypes.WinDLL("kernel32").GetWriteWatch
    call.argtypes = [ctypes.c_uint32, *[ctypes.c_void_p] * 2, *[ctypes.c_void_p] * 3]
    with Region(16 * PAGE, commit=True, write_watch=True) as region:
        for page in (2, 3, 9):
            region.view(page * PAGE)[0] = 1
        pages = (ctypes.c_size_t * 16)()
        count, size = ctypes.c_size_t(16), ctypes.c_uint32()
        arguments = (pages, ctypes.byref(count), ctypes.byref(size))
        assert call(0, region.address, region.size, *arguments) == 0
        assert [(at - region.address) // PAGE for at in pages[: count.value]] == [2, 3, 9]
        assert region.written(reset=True) == [(2 * PAGE, 2 * PAGE), (9 * PAGE, PAGE)]
        count.value = 16
        assert call(0, region.address, region.size, *arguments) == 0
        assert count.value == 0


def test_a_preferred_node() -> None:
    with Region(2 * PAGE, commit=True, numa_node=0) as region:
        region.view()[0] = 1
        assert region.query(0).node in (0, None)


def test_large_pages_take_a_privilege() -> None:
    sizes = growable.info()["large_page_sizes"]
    size = sizes[0] if sizes else 1 << 21
    limit = None
    try:
        with Region(size, page_size=size) as region:
            assert windows_view.run_at(region.address).access == "rw"
    except (ReservationError, UnsupportedError) as error:
        limit = error.limit
    wanting = ["SeLockMemoryPrivilege", "free large pages"] if sizes else ["large_pages"]
    assert limit in [None, *wanting]


def test_large_pages_without_the_privilege() -> None:
    size = growable.info()["large_page_sizes"][0]
    with pytest.raises(ReservationError) as caught:
        Region(size, page_size=size)
    assert (caught.value.limit, caught.value.error_code) == ("SeLockMemoryPrivilege", 1314)


@needs_placeholders
def test_placeholders_are_allocations_of_their_own() -> None:
    with Region(4 * UNIT, placeholder=True) as region:
        assert allocations(region) == [0, 0, 0, 0]
        region.split(UNIT)
        assert allocations(region) == [0, 1, 1, 1]
        region.split(3 * UNIT)
        region.replace(UNIT, 2 * UNIT)
        assert allocations(region) == [0, 1, 1, 3]
        region.unmap(UNIT, 2 * UNIT, preserve=True)
        region.coalesce(0, 4 * UNIT)
        assert allocations(region) == [0, 0, 0, 0]


@needs_placeholders
def test_mappings_as_the_system_sees_them() -> None:
    section = Section(UNIT)
    with Region(5 * UNIT, placeholder=True) as region:
        for number, access in enumerate(("rw", "r", "wc", "none")):
            region.map(section, 0, number * UNIT, UNIT, access)  # type: ignore[arg-type]
        runs = [windows_view.run_at(region.address + n * UNIT) for n in range(5)]
        assert [run.type for run in runs] == ["section"] * 4 + ["private"]
        assert [run.access for run in runs] == ["rw", "r", "wc", "none", "none"]
        region.unmap(UNIT, UNIT, preserve=True)
        run = windows_view.run_at(region.address + UNIT)
        assert (run.type, run.state) == ("private", "reserved")


def test_no_handle_stays_behind() -> None:
    count = ctypes.WinDLL("kernel32").GetProcessHandleCount
    number = ctypes.c_uint32()

    def handles() -> int:
        assert count(ctypes.c_void_p(windows_view.THIS_PROCESS), ctypes.byref(number))
        return number.value

    def use() -> None:
        section = Section(UNIT)
        section.view()[0] = 1
        other = Section.from_handle(section.handle)
        assert other.view()[0] == 1
        other.close()
        growable.RingBuffer(UNIT).write(b"a")

    use()
    before = handles()
    for _ in range(50):
        use()
    assert handles() <= before + 5
