"""Named sections: who can open one, and when the name is free again."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import growable
import pytest
import section_workers
from growable import Section, StateError
from support import PAGE, run_child

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks at Linux's own files")


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Give a name that no other run of the tests has."""
    return f"{request.node.name[:60]}-{os.getpid()}"


def stands_in_dev_shm(name: str) -> bool:
    """Return whether the system still lists it."""
    return Path(f"/dev/shm/growable.{name}").exists()


def refuses_to_open(name: str) -> None:
    """Find that nobody has the name."""
    with pytest.raises(FileNotFoundError):
        Section.open(name)


def test_it_is_opened_by_name(name: str) -> None:
    one = Section(PAGE, name)
    two = Section.open(name)
    three = Section.open(name=name, mode="r")
    assert one.name == two.name == three.name == name
    assert repr(one) == f"<growable.Section of {PAGE} bytes, name={name!r}>"
    one.view()[:3] = b"abc"
    assert bytes(two.view(0, 3)) == bytes(three.view(0, 3)) == b"abc"
    assert three.readonly
    with pytest.raises(StateError, match="for reading"):
        three.view(access="rw")


def test_a_name_in_use_is_refused(name: str) -> None:
    with Section(PAGE, name) as section:
        with pytest.raises(FileExistsError) as caught:
            Section(PAGE, name)
        assert caught.value.filename == name
        assert section.size == PAGE
    Section(PAGE, name).close()


def test_a_name_nobody_has(name: str) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        Section.open(name)
    assert caught.value.filename == name


def test_the_last_to_close_it_takes_the_name_away(name: str) -> None:
    first = Section(PAGE, name)
    second = Section.open(name)
    view = second.view()
    first.close()
    third = Section.open(name)
    second.close()
    del third
    with pytest.raises(FileNotFoundError):
        Section.open(name)
    view[:3] = b"abc"
    assert bytes(Section(PAGE, name).view(0, 3)) == bytes(3)


@pytest.mark.parametrize("name", ["", "a/b", "..\\x", "a\nb", "n" * 201, "\x7f", "\ud800", "a\0b"])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(ValueError, match=r"name|surrogates"):
        Section(PAGE, name)
    with pytest.raises(ValueError, match=r"name|surrogates"):
        Section.open(name)


def test_a_name_must_be_text(name: str) -> None:
    with pytest.raises(TypeError, match="name must be a str"):
        Section(PAGE, 5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="name must be a str"):
        Section.open(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="mode must be"):
        Section.open(name, "w+")  # type: ignore[arg-type]


def test_any_other_text_will_do(name: str) -> None:
    for text in (f". .. {name}", f"Größe-{name}", f"物-{name}", "n" * 180 + name[-20:]):
        with Section(PAGE, text):
            assert Section.open(text).name == text


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_another_process_opens_it(name: str, method: str) -> None:
    section = Section(PAGE, name)
    context = multiprocessing.get_context(method)
    process = context.Process(target=section_workers.open_by_name, args=(name, method.encode()))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert bytes(section.view(0, len(method))) == method.encode()
    assert Section.open(name).size == PAGE


@linux_only
class TestLinux:
    def test_a_killed_process_leaves_nothing_that_stays(self, name: str) -> None:
        context = multiprocessing.get_context("spawn")
        for tidy in (
            lambda: refuses_to_open(name),
            lambda: Section(PAGE, name).close(),
            lambda: Section(PAGE, f"other-{name}").close(),
        ):
            ours, theirs = context.Pipe()
            process = context.Process(target=section_workers.hold, args=(name, theirs))
            process.start()
            assert ours.recv() == PAGE
            with pytest.raises(FileExistsError):
                Section(PAGE, name)
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            assert stands_in_dev_shm(name)
            tidy()
            assert not stands_in_dev_shm(name)

    def test_who_has_it_open_outlives_a_killed_maker(self, name: str) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=section_workers.hold, args=(name, theirs))
        process.start()
        ours.recv()
        section = Section.open(name)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        again = Section.open(name)
        again.close()
        section.close()
        assert not stands_in_dev_shm(name)

    def test_a_program_that_ends_leaves_nothing(self, name: str) -> None:
        run_child(
            """
            import sys, growable
            kept = growable.Section(1, sys.argv[1])
            view = kept.view()
            """,
            name,
        )
        assert not stands_in_dev_shm(name)

    def test_a_child_that_closes_its_copy_takes_no_name_away(self, name: str) -> None:
        run_child(
            """
            import os, sys, growable
            section = growable.Section(1, sys.argv[1])
            child = os.fork()
            if child == 0:
                section.close()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            growable.Section.open(sys.argv[1])
            """,
            name,
        )
        assert not stands_in_dev_shm(name)

    def test_a_parent_that_closes_first_leaves_the_name_to_its_child(self, name: str) -> None:
        run_child(
            """
            import os, sys, growable
            section = growable.Section(1, sys.argv[1])
            go, said = os.pipe()
            child = os.fork()
            if child == 0:
                os.read(go, 1)
                growable.Section.open(sys.argv[1])
                section.close()
                os._exit(0)
            section.close()
            os.write(said, b"x")
            assert os.waitpid(child, 0)[1] == 0
            """,
            name,
        )
        assert not stands_in_dev_shm(name)

    def test_other_people_s_files_are_left_alone(self, name: str) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root can give a file away")
        path = Path(f"/dev/shm/growable.{name}")
        path.write_bytes(b"x" * PAGE)
        os.chown(path, 65534, 65534)
        try:
            with pytest.raises(PermissionError):
                Section.open(name)
        finally:
            path.unlink(missing_ok=True)

    def test_the_mode_keeps_others_out(self, name: str) -> None:
        with Section(PAGE, name):
            assert Path(f"/dev/shm/growable.{name}").stat().st_mode & 0o777 == 0o600

    def test_shared_memory_of_the_standard_library_can_be_a_section(self) -> None:
        memory = SharedMemory(create=True, size=PAGE)
        try:
            section = Section.from_handle(memory._fd)  # type: ignore[attr-defined]
            section.view()[:3] = b"abc"
            assert bytes(memory.buf[:3]) == b"abc"
        finally:
            memory.close()
            memory.unlink()


def test_the_name_goes_with_a_pickled_section(name: str) -> None:
    section = Section(PAGE, name)
    copy = Section.from_handle(section.handle, name)
    assert copy.name == name
    section.close()
    Section.open(name).close()
    copy.close()
    with pytest.raises(FileNotFoundError):
        Section.open(name)


@linux_only
def test_a_name_that_is_gone_is_no_obstacle(name: str) -> None:
    section = Section(PAGE, name)
    handle = os.dup(section.handle)
    section.close()
    copy = Section.from_handle(handle, name)
    os.close(handle)
    assert copy.name is None
    copy.view()[:1] = b"x"


def test_capabilities_tell() -> None:
    found = growable.capabilities()
    assert {"section_seal", "section_resize", "section_map"} <= set(found)
