"""Sections over files: modes, growing, full disks, and files that are cut off."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from growable import CommitError, Section, StateError
from support import PAGE, run_child

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks at Linux's own files")

UNHANDLED = {
    "PYTHONFAULTHANDLER": "",
    "ASAN_OPTIONS": "handle_segv=0:handle_sigbus=0:detect_leaks=0",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a file of a page and ten bytes."""
    file = tmp_path / "bytes"
    file.write_bytes(b"a" * PAGE + b"0123456789")
    return file


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of one mebibyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("only root can mount")
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_read_and_write(path: Path) -> None:
    with Section.from_file(path) as section:
        assert section.size == PAGE + 10
        assert not section.readonly
        assert section.name is None
        with section.view() as view:
            assert bytes(view) == path.read_bytes()
            view[:2] = b"xy"
            view[-1] = ord("Z")
    assert path.read_bytes() == b"xy" + b"a" * (PAGE - 2) + b"012345678Z"


def test_a_file_for_reading(path: Path) -> None:
    section = Section.from_file(str(path), "r")
    assert section.readonly
    assert section.view().readonly
    assert bytes(section.view(PAGE, 3)) == b"012"
    with pytest.raises(StateError, match="for reading"):
        section.view(access="rw")
    with pytest.raises(StateError, match="for reading"):
        section.resize(10 * PAGE)
    private = section.view(access="wc")
    private[0] = ord("p")
    assert path.read_bytes()[:1] == b"a"
    with pytest.raises(ValueError, match="fewer than"):
        Section.from_file(path, "r", PAGE + 11)


def test_growing(path: Path) -> None:
    with Section.from_file(os.fsencode(path), "r+", 2 * PAGE + 5) as section:
        assert section.size == path.stat().st_size == 2 * PAGE + 5
        old = section.view()
        section.resize(3 * PAGE + 1)
        assert section.size == path.stat().st_size == 3 * PAGE + 1
        new = section.view()
        new[-1] = 7
        old[0] = ord("!")
        assert len(old) == 2 * PAGE + 5
    content = path.read_bytes()
    assert content[:1] == b"!"
    assert content[PAGE : PAGE + 10] == b"0123456789"
    assert content[PAGE + 10 :] == bytes(2 * PAGE - 10) + b"\x07"


def test_a_size_that_the_file_has_changes_nothing(path: Path) -> None:
    with Section.from_file(path, "r+", 5) as section:
        assert section.size == PAGE + 10
    assert path.stat().st_size == PAGE + 10


def test_new_files(path: Path, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        Section.from_file(path, "x+", PAGE)
    made = Section.from_file(tmp_path / "new", "x+", 100)
    assert made.size == (tmp_path / "new").stat().st_size == 100
    made.close()
    emptied = Section.from_file(path, "w+", 7)
    assert bytes(emptied.view()) == bytes(7)
    emptied.close()
    assert path.read_bytes() == bytes(7)
    for mode in ("w+", "x+"):
        with pytest.raises(ValueError, match="size"):
            Section.from_file(tmp_path / "another", mode)
    assert not (tmp_path / "another").exists()


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    for mode in ("r", "r+"):
        with pytest.raises(ValueError, match="nothing to map"):
            Section.from_file(empty, mode)
        with pytest.raises(FileNotFoundError) as caught:
            Section.from_file(tmp_path / "missing", mode)
        assert caught.value.filename == tmp_path / "missing"
    with pytest.raises(ValueError, match="mode must be"):
        Section.from_file(empty, "w")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 1"):
        Section.from_file(empty, size=0)
    with pytest.raises(ValueError, match="size"):
        Section.from_file(empty, size=-1)
    with pytest.raises(ValueError, match="null"):
        Section.from_file("a\0b")
    with pytest.raises(OSError, match=r"\[(Errno|WinError)"):
        Section.from_file(tmp_path, "r")
    assert Section.from_file(empty, size=3).size == 3


@linux_only
def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(ValueError, match="nothing to map"):
        Section.from_file(fifo, "r")


@linux_only
def test_storage_stands_behind_what_is_added(path: Path) -> None:
    with Section.from_file(path, "r+", 64 * PAGE):
        assert path.stat().st_blocks * 512 >= 64 * PAGE


def test_a_full_disk_is_an_error(small_disk: Path) -> None:
    with pytest.raises(CommitError, match="no storage") as caught:
        Section.from_file(small_disk / "large", "w+", 2 << 20)
    assert caught.value.limit == "free space of the file system"
    assert caught.value.requested == 2 << 20
    section = Section.from_file(small_disk / "small", "w+", 512 << 10)
    with pytest.raises(CommitError):
        section.resize(2 << 20)
    assert section.size == 512 << 10
    assert os.statvfs(small_disk).f_bfree * 4096 >= 400 << 10
    section.view()[:] = b"x" * (512 << 10)


def test_a_new_file_that_finds_no_room_is_gone_again(small_disk: Path) -> None:
    with pytest.raises(CommitError):
        Section.from_file(small_disk / "new", "x+", 8 << 20)
    assert list(small_disk.iterdir()) == []
    with Section.from_file(small_disk / "new", "x+", PAGE) as section:
        assert section.size == PAGE


def test_a_new_file_that_cannot_be_so_large_is_gone_again(tmp_path: Path) -> None:
    with pytest.raises((OSError, CommitError)):
        Section.from_file(tmp_path / "new", "x+", 1 << 60)
    assert list(tmp_path.iterdir()) == []


def test_a_full_dev_shm_is_an_error(small_disk: Path) -> None:
    """In a mount namespace of its own, /dev/shm has one mebibyte."""
    program = """
        import os, growable
        taken = growable.Section(512 << 10, "taken")
        try:
            growable.Section(768 << 10, "refused")
        except growable.CommitError as error:
            assert error.limit == "/dev/shm", error
        else:
            raise AssertionError
        assert os.listdir("/dev/shm") == ["growable.taken"]
        taken.view()[:] = b"x" * (512 << 10)
        try:
            taken.resize(2 << 20)
        except growable.CommitError as error:
            assert taken.size == 512 << 10
        else:
            raise AssertionError
        taken.resize(1 << 20)
        view = taken.view()
        view[:] = b"y" * (1 << 20)
        growable.Section(8 << 20)
        """
    code = f"""
        import subprocess, sys, textwrap
        shell = 'mount --make-rprivate / && mount -t tmpfs -o size=1m none /dev/shm && exec "$@"'
        done = subprocess.run(["unshare", "--mount", "sh", "-c", shell, "sh", sys.executable, "-c",
                               textwrap.dedent({program!r})])
        sys.exit(done.returncode)
        """
    run_child(code)


@linux_only
def test_a_file_cut_off_is_noticed_by_the_next_view(path: Path) -> None:
    section = Section.from_file(path)
    os.truncate(path, 100)
    assert section.size == 100
    with pytest.raises(ValueError, match="a Section of 100 bytes"):
        section.view(0, 101)
    assert bytes(section.view()) == b"a" * 100
    os.truncate(path, 0)
    with pytest.raises(ValueError, match="a Section of 0 bytes"):
        section.view()
    section.resize(PAGE)
    assert bytes(section.view()) == bytes(PAGE)


@linux_only
def test_a_file_cut_off_under_a_view_is_a_fault(path: Path) -> None:
    """Which docs/section.md says; no program can be kept from it, but the page's rest is zero."""
    code = """
        import os, sys, growable
        path = sys.argv[1]
        view = growable.Section.from_file(path).view()
        os.truncate(path, 3)
        assert bytes(view[:5]) == b"aaa\\0\\0"
        print("so far", flush=True)
        view[-1]
        """
    done = run_child(code, str(path), check_exit=False, env=UNHANDLED)
    assert done.stdout == "so far\n"
    assert done.returncode == -7  # SIGBUS
