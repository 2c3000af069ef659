"""Commit, decommit and protect, compared with what the system says."""

from __future__ import annotations

import ctypes

import pytest
from growable import CommitError, Region, StateError
from region_support import (
    Refusal,
    dies,
    linux_only,
    linux_or_windows,
    plain_only,
    system_access,
    system_resident,
    told_access,
    told_states,
)
from support import PAGE, run_child, under_sanitizer

ACCESS = ["none", "r", "rw", "rx", "rwx"]


def test_commit_acts_on_the_pages_touched() -> None:
    with Region(8 * PAGE) as region:
        region.commit(PAGE - 1, 2)
        assert told_states(region) == "ccrrrrrr"
        region.commit(5 * PAGE, 1)
        assert told_states(region) == "ccrrrcrr"
        region.commit(5 * PAGE + 1, PAGE)
        assert told_states(region) == "ccrrrccr"
        region.commit(7 * PAGE)
        assert told_states(region) == "ccrrrccc"


@linux_or_windows
@pytest.mark.parametrize("access", ACCESS)
def test_commit_with_each_access(access: str) -> None:
    with Region(4 * PAGE, executable=True) as region:
        region.commit(PAGE, 2 * PAGE, access)  # type: ignore[arg-type]
        assert system_access(region) == told_access(region) == ["none", access, access, "none"]
        assert told_states(region) == "rccr"


def test_committed_pages_are_zero_and_keep_their_contents() -> None:
    with Region(4 * PAGE) as region:
        region.commit(0, 2 * PAGE)
        assert bytes(region.view()) == bytes(2 * PAGE)
        region.view()[:] = b"x" * 2 * PAGE
        region.commit(PAGE)
        assert bytes(region.view()) == b"x" * 2 * PAGE + bytes(2 * PAGE)
        region.decommit(0, PAGE)
        region.commit()
        assert bytes(region.view()) == bytes(PAGE) + b"x" * PAGE + bytes(2 * PAGE)


@linux_or_windows
def test_committing_again_sets_the_access() -> None:
    with Region(2 * PAGE, commit=True) as region:
        region.commit(0, PAGE, "r")
        assert system_access(region) == told_access(region) == ["r", "rw"]


@linux_or_windows
def test_commit_at_once() -> None:
    with Region(3 * PAGE, commit=True, access="r") as region:
        assert system_access(region) == ["r"] * 3
        assert region.view().readonly


@linux_or_windows
def test_decommit_gives_memory_back() -> None:
    # The pages at the edges stay reserved, or the system might count our neighbours' memory as ours.
    with Region(66 * PAGE) as region:
        region.commit(PAGE, 64 * PAGE)
        region.view(PAGE)[:] = b"x" * 64 * PAGE
        assert system_resident(region) == 64 * PAGE
        region.decommit(8 * PAGE, 40 * PAGE)
        assert system_resident(region) == 24 * PAGE
        assert region.pages().resident == 24 * PAGE
        assert system_access(region)[8:48] == ["none"] * 40
        region.decommit()
        assert region.pages().resident == 0
        assert told_states(region) == "r" * 66


def test_decommit_of_reserved_pages_is_fine() -> None:
    with Region(4 * PAGE) as region:
        region.decommit()
        region.commit(PAGE, PAGE)
        region.decommit()
        assert told_states(region) == "rrrr"


@linux_or_windows
@plain_only
def test_a_decommitted_page_is_fatal() -> None:
    assert dies(
        "r = Region(2 * P, commit=True)\nwrite(r.address)\nr.decommit(0, P)\nnear()\nread(r.address)"
    )


@linux_only
@plain_only
def test_a_refused_commit_changes_nothing() -> None:
    code = """
        import growable, sys
        from growable import Region, CommitError
        P = growable.info()["page_size"]
        r = Region(4 << 30)
        r.commit(1 << 20, P)
        r.commit(2 << 20, P, "r")
        r.view(1 << 20, 1)[0] = 7
        before = str(r.pages())
        import resource
        resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
        try:
            r.commit()
        except CommitError as error:
            print(error.limit, error.requested == 4 << 30, error.error_code, error.operation)
        assert str(r.pages()) == before
        assert r.view(1 << 20, 1)[0] == 7
        with open("/proc/self/smaps") as file:
            lines = [l.split() for l in file if "-" in l.split()[0]]
        inside = 0
        for where, access, *_ in lines:
            start, end = (int(x, 16) for x in where.split("-"))
            if r.address <= start and end <= r.address + r.size and access != "---p":
                inside += end - start
        assert inside == 2 * P, inside
        r.commit(0, 1 << 20)
        print("again")
    """
    assert run_child(code).stdout == "RLIMIT_DATA True 12 commit\nagain\n"


@linux_only
@plain_only
def test_commit_charge_is_given_back() -> None:
    """Decommitted pages no longer count as data, so as much can be committed again and again."""
    code = """
        import growable, resource
        resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
        r = growable.Region(8 << 30)
        for i in range(8):
            r.commit(i << 30, 512 << 20)
            r.view(i << 30, 1)[0] = 1
            r.decommit(i << 30, 512 << 20)
        print("done")
    """
    assert run_child(code).stdout == "done\n"


# Protect.


def test_protect_returns_the_previous_access() -> None:
    with Region(4 * PAGE, commit=True, executable=True) as region:
        assert region.protect(PAGE, PAGE, "r") == "rw"
        assert region.protect(PAGE, 2 * PAGE, "none") == "r"
        assert region.protect(PAGE, 2 * PAGE, "rx") == "none"
        assert region.protect(0, None, "rwx") == "rw"
        assert region.protect(PAGE, 1, "rw") == "rwx"


@linux_or_windows
@pytest.mark.parametrize("access", ACCESS)
def test_protect_with_each_access(access: str) -> None:
    with Region(4 * PAGE, commit=True, executable=True) as region:
        region.protect(PAGE + 5, PAGE, access)  # type: ignore[arg-type]
        assert system_access(region) == told_access(region) == ["rw", access, access, "rw"]


def test_contents_survive_protection() -> None:
    with Region(2 * PAGE, commit=True) as region:
        region.view()[:4] = b"data"
        region.protect(0, PAGE, "none")
        region.protect(0, PAGE, "r")
        view = region.view(0, PAGE)
        assert view.readonly
        assert bytes(view)[:4] == b"data"
        view.release()


@linux_or_windows
@pytest.mark.parametrize(
    ("access", "act", "fatal"),
    [
        ("none", "read", True),
        ("none", "write", True),
        ("r", "read", False),
        ("r", "write", True),
        ("rw", "write", False),
        ("rx", "read", False),
        ("rx", "write", True),
        ("rwx", "write", False),
    ],
)
@plain_only
def test_what_protection_does(access: str, act: str, fatal: bool) -> None:
    code = f"r = Region(P, commit=True, executable=True)\nr.protect(0, P, {access!r})\n"
    assert dies(code + f"near()\n{act}(r.address)\n") == fatal


@linux_or_windows
@plain_only
def test_code_runs_where_it_may(need) -> None:  # type: ignore[no-untyped-def]
    import platform

    code = {"x86_64": b"\xb8\x2a\x00\x00\x00\xc3", "aarch64": b"\x40\x05\x80\x52\xc0\x03\x5f\xd6"}
    machine = "x86_64" if platform.machine() == "AMD64" else platform.machine()
    if machine not in code:
        pytest.skip("no code for this processor")
    with Region(PAGE, commit=True, executable=True) as region:
        text = code[machine]
        region.view()[: len(text)] = text
        region.protect(0, PAGE, "rx")
        assert ctypes.CFUNCTYPE(ctypes.c_int)(region.address)() == 42
    body = f"r = Region(P, commit=True)\nr.view()[:{len(text)}] = {text!r}\nnear()\n"
    assert dies(body + "ctypes.CFUNCTYPE(ctypes.c_int)(r.address)()\n")


def test_execution_must_be_asked_for() -> None:
    with Region(PAGE, commit=True) as region:
        refusal = Refusal(region)
        for access in ("rx", "rwx"):
            with pytest.raises(ValueError, match="executable=True"):
                region.protect(0, PAGE, access)  # type: ignore[arg-type]
            with pytest.raises(ValueError, match="executable=True"):
                region.commit(0, PAGE, access)  # type: ignore[arg-type]
            with pytest.raises(ValueError, match="executable=True"):
                Region(PAGE, commit=True, access=access)  # type: ignore[arg-type]
        refusal.check()


def test_caching_is_unsupported_where_it_is() -> None:
    from growable import UnsupportedError, capabilities

    with Region(PAGE, commit=True) as region:
        with pytest.raises(ValueError, match="exclude"):
            region.protect(0, PAGE, "rw", nocache=True, write_combine=True)
        with pytest.raises(ValueError, match="need an access"):
            region.protect(0, PAGE, "none", nocache=True)
        if not capabilities()["set_caching"]:
            with pytest.raises(UnsupportedError, match="set_caching"):
                region.protect(0, PAGE, "rw", nocache=True)
            with pytest.raises(UnsupportedError, match="set_caching"):
                region.protect(0, PAGE, "rw", write_combine=True)


# What is checked first.


RANGES = [
    (-1, 1, ValueError),
    (0, -1, ValueError),
    (0, 0, ValueError),
    (4 * PAGE, 1, ValueError),
    (4 * PAGE, None, ValueError),
    (0, 4 * PAGE + 1, ValueError),
    (3 * PAGE, PAGE + 1, ValueError),
    (1, (1 << 63) - 1, ValueError),
    (1 << 64, 1, ValueError),
    (0, 1 << 64, ValueError),
    ("0", 1, TypeError),
    (0, 1.0, TypeError),
]


@pytest.mark.parametrize(("offset", "length", "error"), RANGES)
def test_ranges(offset: int, length: int, error: type[Exception]) -> None:
    with Region(4 * PAGE, commit=True) as region:
        region.decommit(3 * PAGE)
        refusal = Refusal(region)
        acts = [
            region.commit,
            region.decommit,
            region.discard,
            region.restore,
            region.lock,
            region.unlock,
            region.prefetch,
            region.view,
            region.coalesce,
            region.replace,
            lambda o, n: region.protect(o, n, "r"),
            lambda o, n: region.unmap(o, n, preserve=True),
        ]
        for act in acts:
            with pytest.raises(error) as caught:
                act(offset, length)
            assert not isinstance(caught.value, StateError)
        refusal.check()


def test_the_message_has_the_values() -> None:
    with Region(4 * PAGE) as region:
        with pytest.raises(ValueError, match=f"offset 5 and length {4 * PAGE}.*{4 * PAGE} bytes"):
            region.commit(5, 4 * PAGE)
        with pytest.raises(ValueError, match="not -3"):
            region.commit(-3)
        with pytest.raises(ValueError, match=f"offset {1 << 40} is not inside"):
            region.commit(1 << 40)


@pytest.mark.parametrize("access", ["", "w", "RW", "cw", "xr", "none "])
def test_unknown_access(access: str) -> None:
    with Region(PAGE, commit=True) as region:
        for act in (
            lambda: region.commit(0, 1, access),  # type: ignore[arg-type]
            lambda: region.protect(0, 1, access),  # type: ignore[arg-type]
            lambda: Region(PAGE, access=access),  # type: ignore[arg-type]
        ):
            with pytest.raises(ValueError, match="access must be"):
                act()
    with pytest.raises(TypeError):
        Region(PAGE, access=3)  # type: ignore[arg-type]


def test_copy_on_write_is_for_mappings() -> None:
    with Region(PAGE, commit=True) as region:
        with pytest.raises(ValueError, match="access must be"):
            region.commit(0, 1, "wc")  # type: ignore[arg-type]
        with pytest.raises(StateError, match="are committed, with access 'rw'"):
            region.protect(0, 1, "wc")
        assert region.query(0).access == "rw"


def test_no_force_is_advised_where_there_is_none() -> None:
    region = Region(PAGE, commit=True)
    with region.view(), pytest.raises(BufferError, match=r"release them first$"):
        region.commit(0, PAGE, "r")
    with region.view(), pytest.raises(BufferError, match="force=True"):
        region.protect(0, PAGE, "r")
    region.release()


def test_wrong_states() -> None:
    with Region(4 * PAGE) as region:
        region.commit(0, PAGE)
        region.commit(PAGE, PAGE, "none")
        refusal = Refusal(region)
        reserved = f"offset {2 * PAGE} are reserved.*commit"
        for act in (region.lock, region.unlock, region.prefetch, region.discard):
            with pytest.raises(StateError, match=reserved):
                act(2 * PAGE, PAGE)
            with pytest.raises(StateError, match=f"offset {PAGE} are committed.*'none'.*protect"):
                act(0, 2 * PAGE)
        with pytest.raises(StateError, match=reserved) as caught:
            region.protect(0, 3 * PAGE, "r")
        assert caught.value.operation == "protect"
        with pytest.raises(StateError, match=reserved):
            region.view(2 * PAGE)
        refusal.check()


def test_an_index_that_releases() -> None:
    region = Region(4 * PAGE, commit=True)

    class Releases:
        def __index__(self) -> int:
            region.release()
            return 0

    with pytest.raises(StateError, match="released"):
        region.commit(Releases())
    region = Region(4 * PAGE, commit=True)
    with pytest.raises(StateError, match="released"):
        region.view(0, Releases())


def test_many_runs() -> None:
    pages = 3000
    with Region(pages * PAGE) as region:
        for page in range(0, pages, 2):
            region.commit(page * PAGE, 1)
        assert told_states(region) == "cr" * (pages // 2)
        assert len(region.pages()) == pages
        region.commit()
        assert len(region.pages()) == 1


@linux_only
def test_out_of_mappings_is_a_commit_error_and_nothing_changes() -> None:
    code = """
        import growable
        from growable import Region, CommitError
        P = growable.info()["page_size"]
        limit = growable.info()["limits"]["mappings"]
        r = Region((limit + 1000) * P)
        whole = Region(16 * P, commit=True)
        page = 0
        try:
            while True:
                r.commit(page * P, 1)
                page += 2
        except CommitError as error:
            print("refused", page > limit // 4, error.limit)
        for change in whole.lock, lambda *pages: whole.protect(*pages, "r"):
            try:
                change(4 * P, P)
            except growable.GrowableError as error:
                print(error.operation, error.limit, error.limit in str(error))
        r.commit(0, (page - 1) * P)
        assert [run.state for run in r.pages()] == ["committed", "reserved"]
        print("joined")
    """
    told = [
        "refused True vm.max_map_count",
        "lock vm.max_map_count True",
        "protect vm.max_map_count True",
        "joined",
    ]
    if under_sanitizer():
        del told[1]  # The sanitizer lets nobody lock memory, and says that it was done.
    assert run_child(code).stdout.splitlines() == told


def test_commit_error_is_a_memory_error() -> None:
    assert issubclass(CommitError, MemoryError)
