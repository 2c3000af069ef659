"""Sections mapped into Regions: in place, more than once, copy on write, and back to placeholders."""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import sys
from pathlib import Path

import growable
import pytest
from growable import Region, Section, StateError
from support import run_child

UNIT = int(growable.info()["granularity"])
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
linux_or_windows = pytest.mark.skipif(
    sys.platform not in ("linux", "win32"), reason="nothing here shows the system's own view"
)

if not growable.capabilities()["section_map"]:
    pytest.skip("no placeholders here", allow_module_level=True)


def states(region: Region) -> str:
    """Return a letter for each unit: what query() says of its first page."""
    letters = {"placeholder": ".", "reserved": "-", "committed": "c", "mapped": "m"}
    return "".join(letters[region.query(at).state] for at in range(0, region.size, UNIT))


def accesses(region: Region) -> list[str]:
    """Return the access of each unit."""
    return [region.query(at).access for at in range(0, region.size, UNIT)]


def inode_map(region: Region) -> dict[int, tuple[str, int, bool]]:
    """Return what /proc/self/maps says of each unit that has a file: access, offset, shared."""
    found = {}
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split()
        start, end = (int(address, 16) for address in fields[0].split("-"))
        if int(fields[4]) == 0:
            continue
        for at in range(max(start, region.address), min(end, region.address + region.size), UNIT):
            offset = int(fields[2], 16) + at - start
            number = (at - region.address) // UNIT
            found[number] = (fields[1][:3], offset, fields[1][3] == "s")
    return found


def placeholder(units: int) -> Region:
    """Return a Region that is one placeholder."""
    return Region(units * UNIT, placeholder=True)


def test_one_section_at_several_places() -> None:
    region, section = placeholder(8), Section(4 * UNIT)
    region.map(section, 0, 0, 2 * UNIT)
    region.map(section, UNIT, 3 * UNIT, 2 * UNIT)
    region.map(section, section_offset=3 * UNIT, offset=7 * UNIT, length=UNIT, access="r")
    assert states(region) == "mm.mm..m"
    assert accesses(region) == ["rw", "rw", "none", "rw", "rw", "none", "none", "r"]
    with region.view(0, 2 * UNIT) as one, region.view(3 * UNIT, 2 * UNIT) as two:
        one[UNIT] = 1
        assert two[0] == 1
        two[UNIT] = 2
        section.view()[3 * UNIT] = 3
    assert section.view()[2 * UNIT] == 2
    assert region.view(7 * UNIT, 1)[0] == 3
    assert region.view(7 * UNIT, UNIT).readonly


@linux_only
def test_the_system_agrees() -> None:
    region, section = placeholder(6), Section(4 * UNIT)
    region.map(section, UNIT, 0, 2 * UNIT)
    region.map(section, 0, 3 * UNIT, UNIT, "r")
    region.map(section, 3 * UNIT, 5 * UNIT, UNIT, copy_on_write=True)
    assert inode_map(region) == {
        0: ("rw-", UNIT, True),
        1: ("rw-", 2 * UNIT, True),
        3: ("r--", 0, True),
        5: ("rw-", 3 * UNIT, False),
    }
    region.unmap(3 * UNIT, UNIT)
    assert set(inode_map(region)) == {0, 1, 5}


def test_side_by_side_it_is_a_ring() -> None:
    region, section = placeholder(2), Section(UNIT)
    region.map(section, 0, 0, UNIT)
    region.map(section, 0, UNIT, UNIT)
    view = region.view()
    view[UNIT - 3 : UNIT + 3] = b"abcdef"
    assert bytes(view[:3]) == b"def"
    assert bytes(view[-3:]) == b"abc"


def test_copy_on_write() -> None:
    region, section = placeholder(3), Section(UNIT)
    region.map(section, 0, 0, UNIT)
    region.map(section, 0, UNIT, UNIT, copy_on_write=True)
    region.map(section, 0, 2 * UNIT, UNIT, "wc")
    assert accesses(region) == ["rw", "wc", "wc"]
    shared, one, two = (region.view(at, UNIT) for at in (0, UNIT, 2 * UNIT))
    shared[0] = 1
    assert (one[0], two[0]) == (1, 1)
    one[0] = 2
    assert (shared[0], two[0]) == (1, 1)
    for access in ("r", "none", "rx"):
        with pytest.raises(ValueError, match="copy_on_write"):
            region.map(section, 0, 0, UNIT, access, True)  # type: ignore[arg-type]


def test_access_is_at_most_what_it_was_mapped_with() -> None:
    region, section = placeholder(3), Section(UNIT)
    region.map(section, 0, 0, UNIT)
    region.map(section, 0, UNIT, UNIT, "r")
    region.map(section, 0, 2 * UNIT, UNIT, "wc")
    with pytest.raises(StateError, match="access 'r'"):
        region.protect(0, 3 * UNIT, "rw")
    assert accesses(region) == ["rw", "r", "wc"]
    assert region.protect(2 * UNIT, UNIT, "r") == "wc"
    assert region.protect(2 * UNIT, UNIT, "wc") == "r"
    with pytest.raises(StateError):
        region.protect(0, UNIT, "wc")
    assert region.protect(2 * UNIT, UNIT, "r") == "wc"
    assert region.protect(2 * UNIT, UNIT, "rw") == "r"
    assert accesses(region) == ["rw", "r", "wc"]
    region.view(2 * UNIT)[0] = 1
    assert region.view(0, 1)[0] == 0


def test_a_sealed_section_stays_so_in_a_region() -> None:
    if not growable.capabilities()["section_seal"]:
        pytest.skip("no seals here")
    region, section = placeholder(1), Section(UNIT)
    section.seal()
    region.map(section, access="r")
    with pytest.raises(StateError, match="access 'r'"):
        region.protect(0, UNIT, "rw")


def test_a_window_moves_over_a_larger_section() -> None:
    region, section = placeholder(1), Section(16 * UNIT)
    for number in range(16):
        region.map(section, number * UNIT, 0, UNIT)
        region.view()[0] = number + 1
        region.unmap(0, UNIT, preserve=True)
    assert bytes(section.view()[::UNIT]) == bytes(range(1, 17))


def test_the_section_may_be_closed() -> None:
    region, section = placeholder(2), Section(UNIT)
    region.map(section, 0, UNIT, UNIT)
    section.close()
    region.view(UNIT)[:3] = b"abc"
    with pytest.raises(StateError, match="closed"):
        region.map(section, 0, 0, UNIT)
    assert states(region) == ".m"


def test_unmapping_gives_placeholders_or_reserved_pages() -> None:
    region, section = placeholder(4), Section(4 * UNIT)
    region.map(section, 0, 0, 2 * UNIT)
    region.map(section, 0, 2 * UNIT, 2 * UNIT)
    region.unmap(0, 2 * UNIT, preserve=True)
    region.unmap(2 * UNIT, 2 * UNIT)
    assert states(region) == "..--"
    region.commit(2 * UNIT, 2 * UNIT)
    assert bytes(region.view(2 * UNIT)) == bytes(2 * UNIT)
    region.map(section, 0, 0, UNIT)
    assert states(region) == "m.cc"


def test_sizes_match_exactly() -> None:
    region, section = placeholder(4), Section(4 * UNIT)
    region.map(section, 0, 0, 2 * UNIT)
    for offset, length in ((0, UNIT), (UNIT, UNIT), (0, 3 * UNIT)):
        with pytest.raises(StateError):
            region.unmap(offset, length)
    with pytest.raises(StateError):
        region.map(section, 0, UNIT, 2 * UNIT)
    with pytest.raises(StateError, match="one whole placeholder"):
        region.replace(2 * UNIT, UNIT, section)
    region.split(3 * UNIT)
    with pytest.raises(StateError, match="within one placeholder"):
        region.map(section, 0, 2 * UNIT, 2 * UNIT)
    region.replace(2 * UNIT, UNIT, section, 3 * UNIT, "r")
    assert states(region) == "mmm."
    assert region.query(2 * UNIT).access == "r"


def test_replace_puts_private_pages_too() -> None:
    region = placeholder(3)
    region.split(UNIT)
    region.replace(0, UNIT)
    region.split(2 * UNIT)
    region.replace(UNIT, UNIT, access=None)
    assert states(region) == "c-."


def test_a_live_view_is_in_the_way() -> None:
    region, section = placeholder(2), Section(UNIT)
    region.map(section, 0, 0, UNIT)
    view = region.view(0, UNIT)
    with pytest.raises(BufferError, match="export"):
        region.unmap(0, UNIT)
    with pytest.raises(BufferError, match="export"):
        region.release()
    view.release()
    region.unmap(0, UNIT, preserve=True)
    region.map(section, 0, 0, UNIT)
    region.release()


def test_what_is_refused_changes_nothing() -> None:
    region, section = placeholder(4), Section(UNIT)
    for use in (
        lambda: region.map(section, 0, 0, 2 * UNIT),
        lambda: region.map(section, UNIT, 0, UNIT),
        lambda: region.map(section, 1, 0, UNIT),
        lambda: region.map(section, 0, 1, UNIT),
        lambda: region.map(section, 0, 0, UNIT - 1),
        lambda: region.map(section, 0, 4 * UNIT, UNIT),
        lambda: region.map(section, -1, 0, UNIT),
        lambda: region.map(section, 0, 0, UNIT, "x"),  # type: ignore[arg-type]
        lambda: region.map(section, 0, 0, UNIT, "rx"),
        lambda: region.unmap(0, UNIT),
    ):
        with pytest.raises(ValueError, match=r"map|offset|access"):
            use()
    for wrong in (None, 5, b"abc"):
        with pytest.raises(TypeError, match="section must be a Section"):
            region.map(wrong)  # type: ignore[arg-type]
    with pytest.raises(StateError, match="placeholder=True"):
        Region(UNIT).map(section)
    assert str(region.pages()).count("placeholder") == 1


def test_without_a_length_it_is_what_both_have_left() -> None:
    region, section = placeholder(4), Section(2 * UNIT)
    region.map(section)
    region.map(section, UNIT, 2 * UNIT)
    region.map(section, offset=3 * UNIT, access="r")
    assert states(region) == "mmmm"
    assert [run.length // UNIT for run in region.pages()] == [2, 1, 1]
    for at, length in ((0, 2 * UNIT), (2 * UNIT, UNIT), (3 * UNIT, UNIT)):
        region.unmap(at, length, preserve=True)
    region.coalesce(0, None)
    messages = {
        f"map: section_offset {2 * UNIT} and length {4 * UNIT} reach past": lambda: region.map(
            section, 2 * UNIT
        ),
        f"map: section_offset {UNIT} and length {2 * UNIT} reach past": lambda: region.map(
            section, UNIT, 0, 2 * UNIT
        ),
        f"section_offset 1 and length {UNIT} must be multiples of the page size, ": lambda: (
            region.map(section, 1, 0, UNIT)
        ),
        "offset .* is not inside of a Region": lambda: region.map(section, 0, 4 * UNIT),
        "map: section_offset must be at least 0": lambda: region.map(section, -1),
    }
    for message, use in messages.items():
        with pytest.raises(ValueError, match=message):
            use()
    region.release()
    with pytest.raises(StateError, match="released"):
        region.map(section)


@linux_only
def test_the_length_follows_the_section_as_it_is(tmp_path: Path) -> None:
    region, file = placeholder(4), Section.from_file(tmp_path / "bytes", "x+", UNIT)
    os.truncate(tmp_path / "bytes", 2 * UNIT + 100)
    region.map(file)
    assert states(region) == "mmm."
    file.close()
    with pytest.raises(StateError, match="closed"):
        region.map(file)


def test_readonly_and_sealed_sections(tmp_path: Path) -> None:
    region, section = placeholder(4), Section(UNIT)
    section.view()[:3] = b"abc"
    if growable.capabilities()["section_seal"]:
        section.seal()
        with pytest.raises(StateError, match="sealed"):
            region.map(section, 0, 0, UNIT)
        region.map(section, 0, 0, UNIT, "r")
        region.map(section, 0, UNIT, UNIT, copy_on_write=True)
        assert bytes(region.view(0, 3)) == b"abc"
        with region.view(UNIT, 3) as private:
            private[0] = 0
    path = tmp_path / "bytes"
    path.write_bytes(b"x" * UNIT)
    with Section.from_file(path, "r") as file:
        with pytest.raises(StateError, match="for reading"):
            region.map(file, 0, 2 * UNIT, UNIT)
        region.map(file, 0, 2 * UNIT, UNIT, "r")
    assert bytes(region.view(2 * UNIT, 3)) == b"xxx"


def test_a_file_is_written_through_a_region(tmp_path: Path) -> None:
    path = tmp_path / "bytes"
    region = placeholder(2)
    with Section.from_file(path, "x+", 2 * UNIT) as file:
        region.map(file, UNIT, 0, UNIT)
    with region.view(0, 5) as view:
        view[:] = b"bytes"
    region.release()
    assert path.read_bytes()[UNIT : UNIT + 5] == b"bytes"


@linux_only
def test_a_section_that_shrank_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bytes"
    region, file = placeholder(2), Section.from_file(path, "x+", 2 * UNIT)
    os.truncate(path, UNIT)
    with pytest.raises(ValueError, match=f"a Section of {UNIT} bytes"):
        region.map(file, 0, 0, 2 * UNIT)
    assert states(region) == ".."


def test_code_is_written_in_one_place_and_run_in_another() -> None:
    region, section = Region(2 * UNIT, placeholder=True, executable=True), Section(UNIT)
    region.map(section, 0, 0, UNIT)
    region.map(section, 0, UNIT, UNIT, "rx")
    region.view(0, UNIT)[:3] = b"\x31\xc0\xc3"
    assert accesses(region) == ["rw", "rx"]
    assert bytes(region.view(UNIT, 3)) == b"\x31\xc0\xc3"
    if platform.machine() in ("x86_64", "AMD64"):
        assert ctypes.CFUNCTYPE(ctypes.c_int)(region.address + UNIT)() == 0


@linux_only
def test_a_mapping_of_another_makes_no_difference() -> None:
    section = Section(UNIT)
    region = placeholder(1)
    region.map(section)
    with mmap.mmap(section.fileno(), UNIT) as other:
        other[:3] = b"abc"
        assert bytes(region.view(0, 3)) == b"abc"
        region.view()[1] = ord("X")
        assert other[:3] == b"aXc"


@linux_only
def test_processes_share_what_is_mapped() -> None:
    run_child(
        """
        import os, growable
        unit = growable.info()["granularity"]
        region, section = growable.Region(unit, placeholder=True), growable.Section(unit)
        region.map(section)
        if (child := os.fork()) == 0:
            region.view()[:5] = b"child"
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert bytes(section.view(0, 5)) == b"child"
        """
    )


@linux_or_windows
def test_unmapped_pages_fault() -> None:
    code = """
        import ctypes, growable
        unit = growable.info()["granularity"]
        region, section = growable.Region(unit, placeholder=True), growable.Section(unit)
        region.map(section)
        ctypes.string_at(region.address, 1)
        region.unmap(0, unit, preserve=True)
        print("so far", flush=True)
        ctypes.string_at(region.address, 1)
        """
    quiet = {"PYTHONFAULTHANDLER": "", "ASAN_OPTIONS": "handle_segv=0:detect_leaks=0"}
    done = run_child(code, check_exit=False, env=quiet)
    assert done.stdout == "so far\n"
    if sys.platform == "win32":
        assert "access violation" in done.stderr  # ctypes makes an exception of it
    else:
        assert done.returncode == -11
