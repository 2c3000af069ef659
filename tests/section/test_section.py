"""A section by itself: sizes, views, growing, sealing, closing."""

from __future__ import annotations

import array
import copy
import gc
import mmap
import os
import pickle
import sys
import threading
import weakref
from functools import partial
from pathlib import Path

import growable
import pytest
from growable import CommitError, Section, StateError
from support import PAGE, run_child, under_sanitizer

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks at Linux's own files")


def mapped_bytes(section: Section) -> int:
    """Return how many bytes the system says are mapped of it here."""
    inode = os.fstat(section.fileno()).st_ino
    total = 0
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split()
        if int(fields[4]) == inode and "memfd:growable" in line:
            start, end = (int(address, 16) for address in fields[0].split("-"))
            total += end - start
    return total


def test_the_size_is_rounded_up_and_told() -> None:
    section = Section(PAGE + 1)
    assert section.size == len(section) == 2 * PAGE
    assert bytes(section.view()) == bytes(2 * PAGE)
    assert (section.name, section.readonly, section.sealed, section.closed) == (
        None,
        False,
        False,
        False,
    )
    assert repr(section) == f"<growable.Section of {2 * PAGE} bytes>"


@pytest.mark.parametrize("size", [0, -1, -(2**70), 2**63, 2**70, sys.maxsize])
def test_sizes_that_cannot_be(size: int) -> None:
    with pytest.raises(ValueError, match=r"size|bytes"):
        Section(size)


def test_a_size_must_be_a_number() -> None:
    with pytest.raises(TypeError):
        Section("4096")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Section(4096.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Section()  # type: ignore[call-arg]


def test_more_than_there_is_raises() -> None:
    with pytest.raises(CommitError, match="no storage") as caught:
        Section(2**45)
    assert caught.value.requested == 2**45
    assert caught.value.operation == "Section"
    assert caught.value.limit is not None
    assert caught.value.error_code is not None


def test_all_views_show_the_same_bytes() -> None:
    section = Section(3 * PAGE)
    one, two = section.view(), section.view(PAGE - 1, 10)
    two[:] = b"0123456789"
    assert bytes(one[PAGE - 1 : PAGE + 9]) == b"0123456789"
    one[PAGE] = ord("x")
    assert bytes(two) == b"0x23456789"
    assert section.view(access="r").readonly
    assert not one.readonly


def test_a_view_outlives_the_section() -> None:
    section = Section(PAGE)
    view = section.view()
    other = section.view(access="r")
    section.close()
    del section
    gc.collect()
    view[:3] = b"abc"
    assert bytes(other[:3]) == b"abc"


@linux_only
def test_a_mapping_goes_with_its_last_export() -> None:
    section = Section(4 * PAGE)
    view = section.view(PAGE, 2 * PAGE)
    assert mapped_bytes(section) == 2 * PAGE
    part = view[10:20]
    flat = memoryview(part)
    view.release()
    part.release()
    assert mapped_bytes(section) == 2 * PAGE
    flat.release()
    assert mapped_bytes(section) == 0


@pytest.mark.parametrize(
    ("offset", "length"),
    [
        (0, 0),
        (0, PAGE + 1),
        (PAGE, None),
        (PAGE, 1),
        (PAGE - 1, 2),
        (2**62, 2**62),
        (-1, 1),
        (0, -1),
    ],
)
def test_ranges_outside_are_refused(offset: int, length: int | None) -> None:
    with pytest.raises(ValueError, match=r"offset|length"):
        Section(PAGE).view(offset, length)


def test_an_unknown_access_is_refused() -> None:
    section = Section(PAGE)
    for access in ("", "w", "rwx", "none", "R"):
        with pytest.raises(ValueError, match="access must be"):
            section.view(access=access)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="access must be a str"):
        section.view(access=1)  # type: ignore[arg-type]


def test_copy_on_write_keeps_to_itself() -> None:
    section = Section(2 * PAGE)
    shared = section.view()
    shared[:3] = b"abc"
    mine = section.view(access="wc")
    mine[0] = ord("X")
    assert bytes(shared[:3]) == b"abc"
    assert bytes(mine[:3]) == b"Xbc"
    assert bytes(section.view(0, 3)) == b"abc"


def test_numpy_over_a_view() -> None:
    numpy = pytest.importorskip("numpy")
    section = Section(8 * PAGE)
    rows = numpy.frombuffer(section.view(), numpy.float64)
    rows[:] = 1.5
    other = numpy.frombuffer(section.view(access="r"), numpy.float64)
    assert other.sum() == 1.5 * PAGE
    with pytest.raises(ValueError, match="read-only"):
        other[0] = 0


@pytest.mark.skipif(not growable.capabilities()["section_resize"], reason="only files grow here")
class TestResize:
    def test_it_grows_under_views(self) -> None:
        section = Section(PAGE)
        before = section.view()
        before[:] = b"a" * PAGE
        section.resize(3 * PAGE + 1)
        assert section.size == 4 * PAGE
        assert len(before) == PAGE
        after = section.view()
        assert bytes(after) == b"a" * PAGE + bytes(3 * PAGE)
        after[0] = ord("b")
        assert before[0] == ord("b")

    def test_it_does_not_shrink(self) -> None:
        section = Section(2 * PAGE)
        section.resize(2 * PAGE)
        with pytest.raises(ValueError, match="can only grow"):
            section.resize(PAGE)
        with pytest.raises(ValueError, match="size"):
            section.resize(-1)
        assert section.size == 2 * PAGE

    def test_too_much_changes_nothing(self) -> None:
        section = Section(PAGE)
        with pytest.raises(CommitError):
            section.resize(2**45)
        assert section.size == PAGE

    def test_others_see_the_new_size(self) -> None:
        section = Section(PAGE)
        other = Section.from_handle(section.handle)
        section.resize(2 * PAGE)
        assert other.size == 2 * PAGE
        other.view()[-1] = 1
        assert section.view()[-1] == 1


@pytest.mark.skipif(not growable.capabilities()["section_seal"], reason="no seals here")
class TestSeal:
    def test_it_holds(self) -> None:
        section = Section(PAGE)
        with section.view() as view:
            view[:3] = b"abc"
            with pytest.raises(StateError, match="can write"):
                section.seal()
        section.seal()
        section.seal()
        assert section.sealed
        assert section.readonly
        assert repr(section) == f"<growable.Section of {PAGE} bytes, sealed>"
        assert section.view().readonly
        assert bytes(section.view()[:3]) == b"abc"
        with pytest.raises(StateError, match="sealed"):
            section.view(access="rw")
        with pytest.raises(StateError, match="sealed"):
            section.resize(2 * PAGE)
        private = section.view(access="wc")
        private[0] = 0
        assert bytes(section.view()[:3]) == b"abc"

    @linux_only
    def test_it_holds_for_whoever_has_the_descriptor(self) -> None:
        section = Section(PAGE)
        other = Section.from_handle(section.fileno())
        section.seal()
        with pytest.raises(PermissionError):
            os.pwrite(section.fileno(), b"x", 0)
        with pytest.raises(PermissionError):
            mmap.mmap(section.fileno(), PAGE)
        with pytest.raises(PermissionError):
            other.view()
        assert Section.from_handle(section.fileno()).sealed

    @linux_only
    def test_a_foreign_writable_mapping_is_in_the_way(self) -> None:
        section = Section(PAGE)
        with mmap.mmap(section.fileno(), PAGE):
            with pytest.raises(StateError, match="can write"):
                section.seal()
        section.seal()

    def test_names_and_files_have_none(self, tmp_path: Path) -> None:
        with Section(PAGE, f"seal-{os.getpid()}") as named:
            with pytest.raises(growable.UnsupportedError, match=r"Section\(size\)") as caught:
                named.seal()
            assert caught.value.limit == "section_seal"
            assert caught.value.error_code == caught.value.errno
        with Section.from_file(tmp_path / "f", "x+", PAGE) as file:
            with pytest.raises(growable.UnsupportedError, match="seal"):
                file.seal()


@linux_only
def test_nobody_can_make_it_smaller() -> None:
    section = Section(2 * PAGE)
    with pytest.raises(PermissionError):
        os.ftruncate(section.fileno(), PAGE)


@linux_only
def test_storage_is_there_before_it_is_touched() -> None:
    section = Section(1 << 20)
    assert os.fstat(section.fileno()).st_blocks * 512 == 1 << 20
    section.resize(2 << 20)
    assert os.fstat(section.fileno()).st_blocks * 512 == 2 << 20


def test_closing() -> None:
    section = Section(PAGE)
    with section as same:
        assert same is section
    assert section.closed
    section.close()
    assert repr(section) == "<closed growable.Section>"
    for use in (
        section.view,
        section.seal,
        section.fileno,
        section.__enter__,
        lambda: section.resize(2 * PAGE),
        lambda: section.size,
        lambda: section.handle,
        lambda: len(section),
    ):
        with pytest.raises(StateError, match="closed"):
            use()


@pytest.mark.parametrize("use", ["offset", "length", "resize"])
def test_foreign_code_may_close_it(use: str) -> None:
    section = Section(PAGE)

    class Closer:
        def __index__(self) -> int:
            section.close()
            return 1

    method = section.resize if use == "resize" else partial(section.view, **{use: Closer()})
    arguments = (Closer(),) if use == "resize" else ()
    with pytest.raises(StateError, match="closed"):
        method(*arguments)


def test_it_is_no_value() -> None:
    section = Section(PAGE)
    assert section == section
    assert section != Section(PAGE)
    assert weakref.ref(section)() is section
    for refuse in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="pickle"):
            refuse(section)
    with pytest.raises(TypeError):
        type("Sub", (Section,), {})
    with pytest.raises(AttributeError):
        section.size = 1  # type: ignore[misc]


def test_a_handle_from_elsewhere_stays_its_owner_s() -> None:
    section = Section(PAGE)
    other = Section.from_handle(section.handle)
    assert other.handle != section.handle
    other.close()
    section.view()[:1] = b"x"


@linux_only
def test_handles_that_are_no_sections() -> None:
    read_end, write_end = os.pipe()
    folder = os.open("/tmp", os.O_RDONLY)
    try:
        for handle in (read_end, folder, -1, 10**6):
            with pytest.raises(OSError, match=r"\[Errno"):
                Section.from_handle(handle)
    finally:
        for file in (read_end, write_end, folder):
            os.close(file)
    with pytest.raises(TypeError):
        Section.from_handle("1")  # type: ignore[arg-type]


@linux_only
def test_a_descriptor_for_reading_makes_a_readonly_section() -> None:
    section = Section(PAGE)
    file = os.open(f"/proc/self/fd/{section.fileno()}", os.O_RDONLY)
    try:
        other = Section.from_handle(file)
    finally:
        os.close(file)
    assert other.readonly
    assert other.view().readonly
    with pytest.raises(StateError, match="for reading"):
        other.view(access="rw")
    with pytest.raises(StateError, match="for reading"):
        other.resize(2 * PAGE)
    with pytest.raises(StateError, match="for reading"):
        other.seal()


def test_many_views_from_many_threads() -> None:
    section = Section(64 * PAGE)
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for i in range(200):
                at = number * PAGE + i % PAGE
                with section.view(at, 1) as view:
                    view[0] = number + 1
                    assert section.view(at, 1)[0] == number + 1
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@linux_only
def test_descriptors_and_mappings_are_given_back() -> None:
    def round_of_use() -> None:
        section = Section(PAGE)
        section.view(access="wc")
        Section.from_handle(section.fileno()).resize(2 * PAGE)
        with pytest.raises(ValueError, match="offset"):
            section.view(10 * PAGE)
        with pytest.raises(CommitError):
            section.resize(2**45)
        with pytest.raises(CommitError):
            Section(2**45)

    round_of_use()
    before = len(os.listdir("/proc/self/fd"))
    maps = len(Path("/proc/self/maps").read_text().splitlines())
    for _ in range(50):
        round_of_use()
    assert len(os.listdir("/proc/self/fd")) == before
    assert len(Path("/proc/self/maps").read_text().splitlines()) <= maps + 10


@linux_only
def test_a_limit_of_file_size_is_an_error() -> None:
    run_child(
        """
        import resource, growable
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        section = growable.Section(1 << 20)
        for use in (lambda: growable.Section((1 << 20) + 1), lambda: section.resize(2 << 20),
                    lambda: growable.Section(2 << 20, "too-large")):
            try:
                use()
            except growable.CommitError as error:
                assert error.limit == "RLIMIT_FSIZE" and error.requested > 0, error
            else:
                raise AssertionError
        assert section.size == 1 << 20
        """
    )


@linux_only
def test_handles_of_something_else() -> None:
    reader, writer = os.pipe()
    for handle in (reader, 1 << 20):
        with pytest.raises(OSError, match=r"from_handle: .* of a section or a file") as caught:
            Section.from_handle(handle)
        assert caught.value.errno
    os.close(reader)
    os.close(writer)


def test_read_only_says_how_else(tmp_path: Path) -> None:
    path = tmp_path / "bytes"
    path.write_bytes(bytes(PAGE))
    with Section.from_file(path, "r") as section:
        with pytest.raises(StateError, match=r'access="r".*mode="r\+"'):
            section.view(access="rw")
        with pytest.raises(StateError, match=r'open it with mode="r\+"'):
            section.resize(2 * PAGE)


@linux_only
def test_no_descriptor_left() -> None:
    run_child(
        """
        import errno, os, resource, growable
        resource.setrlimit(resource.RLIMIT_NOFILE, (10, 10))
        held = []
        try:
            while True:
                held.append(growable.Section(1))
        except OSError as error:
            assert error.errno == errno.EMFILE and "Section: " in str(error)
        view = held[0].view()
        view[0] = 1
        """
    )


@linux_only
@pytest.mark.skipif(under_sanitizer(), reason="a sanitizer takes more addresses than the limit")
def test_no_addresses_left() -> None:
    run_child(
        """
        import resource, growable
        section = growable.Section(64 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (256 << 20, 256 << 20))
        views = []
        try:
            while True:
                views.append(section.view())
        except growable.ReservationError as error:
            assert error.limit == "RLIMIT_AS" and error.requested == 64 << 20, error
        """
    )


@linux_only
def test_signals_do_not_keep_it_from_getting_storage() -> None:
    run_child(
        """
        import signal, growable
        count = 0
        def tick(*_):
            global count
            count += 1
        signal.signal(signal.SIGALRM, tick)
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        section = growable.Section(256 << 20)
        section.resize(300 << 20)
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert section.size == 300 << 20 and count > 0
        """
    )


def test_array_from_the_standard_library() -> None:
    section = Section(PAGE)
    with section.view().cast("i") as numbers:
        numbers[:4] = array.array("i", [1, 2, 3, 4])
        assert sum(numbers) == 10
