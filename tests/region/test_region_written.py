"""Write watch: which pages were written."""

from __future__ import annotations

import io
import itertools
import random
from textwrap import dedent

import pytest
from growable import Region, StateError, UnsupportedError
from region_support import CAN, linux_only
from support import PAGE, run_child


@pytest.mark.skipif(CAN["write_watch"], reason="this system has it")
def test_unsupported() -> None:
    with pytest.raises(UnsupportedError, match="write_watch"):
        Region(PAGE, write_watch=True)


def test_it_must_be_asked_for() -> None:
    with Region(PAGE, commit=True) as region:
        with pytest.raises(StateError, match="write_watch=True"):
            region.written()


needs_watch = pytest.mark.skipif(not CAN["write_watch"], reason="this system has no write watch")


@needs_watch
def test_written_pages_are_told() -> None:
    with Region(16 * PAGE, commit=True, write_watch=True) as region:
        assert region.written() == []
        with region.view() as view:
            view[3 * PAGE] = 1
            view[4 * PAGE + 7] = 1
            view[9 * PAGE - 1] = 1
            assert view[12 * PAGE] == 0
        expected = [(3 * PAGE, 2 * PAGE), (8 * PAGE, PAGE)]
        assert region.written() == expected
        assert region.written(reset=True) == expected
        assert region.written() == []
        region.view(3 * PAGE)[0] = 2
        assert region.written() == [(3 * PAGE, PAGE)]


@needs_watch
def test_writes_by_the_system_count() -> None:
    with Region(4 * PAGE, commit=True, write_watch=True) as region:
        with open("/proc/self/cmdline", "rb", buffering=0) as file:
            assert file.readinto(region.view(2 * PAGE, 10)) == 10
        assert io.BytesIO(b"x").readinto(region.view(0, 1)) == 1
        assert region.written() == [(0, PAGE), (2 * PAGE, PAGE)]


@needs_watch
def test_many_ranges() -> None:
    pages = 1000
    rng = random.Random(5)
    with Region(pages * PAGE, commit=True, write_watch=True) as region:
        for _ in range(3):
            chosen = sorted(rng.sample(range(pages), 400))
            with region.view() as view:
                for page in chosen:
                    view[page * PAGE + rng.randrange(PAGE)] = 1
            found = region.written(reset=True)
            told = [at // PAGE + i for at, n in found for i in range(n // PAGE)]
            assert told == chosen
            assert all(sum(a) < b[0] for a, b in itertools.pairwise(found))


@needs_watch
def test_a_recommitted_page_is_watched() -> None:
    with Region(4 * PAGE, commit=True, write_watch=True) as region:
        region.view()[:] = b"x" * 4 * PAGE
        region.written(reset=True)
        region.decommit(PAGE, PAGE)
        region.commit()
        region.view(PAGE)[0] = 1
        region.view(3 * PAGE)[0] = 1
        assert (3 * PAGE, PAGE) in region.written()
        assert any(at <= PAGE < at + n for at, n in region.written())


OUT_OF_DESCRIPTORS = """
    import os, resource
    from growable import GrowableError, Region, UnsupportedError

    def exhaust():
        files = []
        try:
            while True:
                files.append(os.dup(0))
        except OSError:
            return files

    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
"""


@linux_only
@needs_watch
def test_a_watch_that_cannot_be_renewed_is_no_crash() -> None:
    code = """
    P = 4096
    region = Region(8 * P, commit=True, write_watch=True)
    region.query(0)
    os.closerange(3, 64)
    files = exhaust()
    region.decommit(0, P)
    for file in files:
        os.close(file)
    assert [run.state for run in region.pages()] == ["reserved", "committed"]
    region.commit(0, P)
    assert bytes(region.view(0, P)) == bytes(P)
    try:
        region.written()
    except GrowableError as error:
        print(type(error).__name__)
    """
    assert run_child(dedent(OUT_OF_DESCRIPTORS) + dedent(code)).stdout == "GrowableError\n"


@linux_only
@needs_watch
def test_what_was_missing_for_want_of_descriptors_is_asked_again() -> None:
    code = """
    import growable.pages
    files = exhaust()
    try:
        Region(4096, write_watch=True)
    except UnsupportedError as error:
        print("refused")
    for file in files:
        os.close(file)
    with Region(4096, commit=True, write_watch=True) as region:
        region.view()[0] = 1
        print(region.written())
    """
    text = run_child(dedent(OUT_OF_DESCRIPTORS) + dedent(code)).stdout
    assert text == "refused\n[(0, 4096)]\n"


@linux_only
@needs_watch
def test_a_child_of_a_fork_is_told_what_to_do() -> None:
    code = """
    import os, growable
    from growable import Region, StateError
    region = Region(4096, commit=True, write_watch=True)
    if (child := os.fork()) == 0:
        try:
            region.written()
        except StateError as error:
            os._exit(7 if "make a Region there" in str(error) else 8)
        os._exit(9)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    print(region.written())
    """
    assert run_child(dedent(code)).stdout == "7\n[]\n"
