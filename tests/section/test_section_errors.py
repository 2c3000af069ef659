"""What a Section refuses, and what is told then."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import growable
import pytest
from growable import Region, Section, StateError

UNIT = int(growable.info()["granularity"])

Use = Callable[[Section], Any]

placeholders_only = pytest.mark.skipif(
    not growable.capabilities()["placeholder"], reason="this system has no placeholders"
)


def busy_errors(path: Path, use: Use) -> set[str]:
    """Return what `use` raised while another thread made the section larger: one error."""
    section = Section.from_file(path, "x+", UNIT)
    errors: set[str] = set()
    for step in range(1, 20):
        thread = threading.Thread(target=section.resize, args=(step * 64 << 20,))
        thread.start()
        while thread.is_alive() and not errors:
            try:
                use(section)
            except StateError as error:
                errors.add(str(error))
        thread.join()
        if errors:
            break
    section.close()
    return errors


def close_if_busy(section: Section) -> None:
    try:
        len(section)
    except StateError:
        section.close()


@pytest.mark.skipif(sys.platform != "linux", reason="relies on how long a file takes to grow")
@pytest.mark.parametrize("use", [len, lambda section: section.view(0, 1), close_if_busy])
def test_nothing_is_done_while_another_thread_resizes(tmp_path: Path, use: Use) -> None:
    (error,) = busy_errors(tmp_path / "bytes", use)
    assert error.endswith("another thread is resizing the Section")


def test_more_bytes_than_can_be() -> None:
    with pytest.raises(ValueError, match=f"no Section can have {sys.maxsize} bytes"):
        Section(sys.maxsize)


def test_a_file_of_its_own_size(tmp_path: Path) -> None:
    path = tmp_path / "bytes"
    path.write_bytes(b"abc")
    with Section.from_file(path, "r+", None) as section:
        assert section.size == 3
    with pytest.raises(ValueError, match="size must be at least 1"):
        Section.from_file(path, "r+", 0)


def test_an_access_of_none_is_what_the_section_allows(tmp_path: Path) -> None:
    path = tmp_path / "bytes"
    path.write_bytes(b"abc")
    assert not Section(1).view(access=None).readonly
    assert Section.from_file(path, "r").view(0, None, None).readonly


@placeholders_only
@pytest.mark.parametrize("offset", [1, UNIT - 1])
def test_only_whole_pages_are_mapped(offset: int) -> None:
    region, section = Region(2 * UNIT, placeholder=True), Section(2 * UNIT)
    with pytest.raises(ValueError, match="multiples of the page size"):
        region.map(section, offset, 0, UNIT)
    assert [run.state for run in region.pages()] == ["placeholder"]


@placeholders_only
def test_a_closed_section_is_not_mapped() -> None:
    region, section = Region(UNIT, placeholder=True), Section(UNIT)
    section.close()
    with pytest.raises(StateError, match="map: the Section is closed"):
        region.map(section, 0, 0, UNIT)


@pytest.mark.parametrize("argument", ["1", 1.5, None])
def test_a_handle_is_a_number(argument: Any) -> None:
    with pytest.raises(TypeError):
        Section.from_handle(argument)


def test_a_mode_is_one_of_four(tmp_path: Path) -> None:
    for mode in ("a", "rb", 5, None):
        with pytest.raises(ValueError, match="mode must be"):
            Section.from_file(tmp_path / "bytes", mode)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="mode must be"):
            Section.open("name", mode)  # type: ignore[arg-type]
    assert not os.path.exists(tmp_path / "bytes")


def test_weak_references_learn_of_its_end() -> None:
    section = Section(1)
    gone: list[object] = []
    reference = weakref.ref(section, gone.append)
    del section
    assert gone == [reference]
