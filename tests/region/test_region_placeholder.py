"""Placeholders: as strict everywhere as the system that has them."""

from __future__ import annotations

import growable
import pytest
from growable import Region, Section, StateError
from region_support import (
    CAN,
    Refusal,
    linux_only,
    linux_or_windows,
    plain_only,
    system_access,
    told_states,
)
from support import run_child

pytestmark = pytest.mark.skipif(not CAN["placeholder"], reason="this system has no placeholders")

UNIT = growable.info()["granularity"]


def made() -> Region:
    return Region(8 * UNIT, placeholder=True)


def states(region: Region) -> list[tuple[str, int, int]]:
    return [(run.state, run.offset // UNIT, run.length // UNIT) for run in region.pages()]


def test_a_placeholder_is_neither_reserved_nor_committed() -> None:
    with made() as region:
        assert states(region) == [("placeholder", 0, 8)]
        refusal = Refusal(region)
        for act in (region.commit, region.decommit, region.lock, region.discard):
            with pytest.raises(StateError, match=r"a placeholder.*replace"):
                act()
        with pytest.raises(StateError, match="a placeholder"):
            region.protect(0, None, "r")
        with pytest.raises(StateError, match="a placeholder"):
            memoryview(region)
        refusal.check()


def test_split_and_coalesce() -> None:
    with made() as region:
        region.split(4 * UNIT)
        region.split(2 * UNIT)
        assert states(region) == [
            ("placeholder", 0, 2),
            ("placeholder", 2, 2),
            ("placeholder", 4, 4),
        ]
        region.coalesce(2 * UNIT, 6 * UNIT)
        assert states(region) == [("placeholder", 0, 2), ("placeholder", 2, 6)]
        region.coalesce(0, None)
        assert states(region) == [("placeholder", 0, 8)]
        region.coalesce(0, 8 * UNIT)


def test_split_refuses() -> None:
    with made() as region:
        region.split(4 * UNIT)
        refusal = Refusal(region)
        with pytest.raises(StateError, match=f"split: offset {4 * UNIT} is not inside of a"):
            region.split(4 * UNIT)
        with pytest.raises(ValueError, match="inside"):
            region.split(8 * UNIT)
        refusal.check()


def test_numbers_that_are_never_right_are_no_matter_of_state() -> None:
    with made() as region:
        uses = {
            "split: offset must be greater than 0": lambda: region.split(0),
            f"offset must be a multiple of the granularity, {UNIT}, not {UNIT // 2}": lambda: (
                region.split(UNIT // 2)
            ),
            f"length must be a multiple of the granularity, {UNIT}, not 8": lambda: region.coalesce(
                UNIT, 8
            ),
            f"offset must be a multiple of the granularity, {UNIT}, not 1": lambda: region.replace(
                1, None
            ),
        }
        for message, use in uses.items():
            with pytest.raises(ValueError, match=message) as caught:
                use()
            assert type(caught.value) is ValueError
        assert states(region) == [("placeholder", 0, 8)]


def test_what_is_no_placeholder_says_how_to_make_one() -> None:
    with made() as region:
        region.split(4 * UNIT)
        region.replace(0, 4 * UNIT)
        refusal = Refusal(region)
        section = Section(UNIT)
        uses = (
            lambda: region.map(section, 0, 0, UNIT),
            lambda: region.replace(0, 4 * UNIT),
            lambda: region.coalesce(0, 8 * UNIT),
        )
        for use in uses:
            with pytest.raises(StateError, match=r"unmap\(offset, length, preserve=True\)"):
                use()
        for offset in (0, 4 * UNIT):
            with pytest.raises(StateError, match=r"are a placeholder.*nothing to unmap"):
                region.unmap(offset, 8 * UNIT - offset, preserve=True)
        with pytest.raises(StateError, match="nothing to unmap"):
            region.unmap(4 * UNIT, 4 * UNIT)
        refusal.check()
        region.unmap(0, 4 * UNIT, preserve=True)
        region.map(section, 0, 0, UNIT)
        region.coalesce(UNIT, 7 * UNIT)
        region.replace(UNIT, 7 * UNIT)
        with pytest.raises(StateError, match="a call of their own"):
            region.unmap(0, 8 * UNIT)


def test_coalesce_refuses_what_is_not_whole() -> None:
    with made() as region:
        region.split(4 * UNIT)
        refusal = Refusal(region)
        for offset, length in [(0, 2), (2, 4), (2, 6)]:
            with pytest.raises(StateError, match="several whole placeholders"):
                region.coalesce(offset * UNIT, length * UNIT)
        refusal.check()
        region.replace(0, 4 * UNIT)
        with pytest.raises(StateError, match="a placeholder is needed"):
            region.coalesce(0, 8 * UNIT)


def test_replace_takes_exactly_one() -> None:
    with made() as region:
        region.split(2 * UNIT)
        region.split(4 * UNIT)
        refusal = Refusal(region)
        for offset, length in [(0, 1), (0, 4), (2, 1), (3, 1), (2, 6)]:
            with pytest.raises(StateError, match="one whole placeholder"):
                region.replace(offset * UNIT, length * UNIT)
        refusal.check()
        region.replace(2 * UNIT, 2 * UNIT)
        assert states(region)[1] == ("committed", 2, 2)
        region.view(2 * UNIT, 2 * UNIT)[:] = b"x" * 2 * UNIT
        with pytest.raises(StateError, match="a placeholder is needed"):
            region.replace(2 * UNIT, 2 * UNIT)


@linux_or_windows
def test_replace_with_each_access() -> None:
    with made() as region:
        for i in range(1, 8):
            region.split(i * UNIT)
        region.replace(0, UNIT, access="r")
        region.replace(UNIT, UNIT, access="none")
        region.replace(2 * UNIT, UNIT, access=None)
        region.replace(3 * UNIT, UNIT)
        assert told_states(region)[:: UNIT // region.page_size] == "ccrcpppp"
        found = system_access(region)[:: UNIT // region.page_size]
        assert found == ["r", "none", "none", "rw", "none", "none", "none", "none"]
        region.commit(2 * UNIT, 1)


def test_replace_knows_its_access() -> None:
    with made() as region:
        with pytest.raises(ValueError, match="access must be"):
            region.replace(0, region.size, access="x")  # type: ignore[arg-type]
        assert states(region) == [("placeholder", 0, 8)]


def test_and_back() -> None:
    with made() as region:
        region.replace(0, None)
        region.view()[:] = b"x" * 8 * UNIT
        with pytest.raises(ValueError, match="preserve"):
            region.unmap(0, UNIT)
        with pytest.raises(BufferError), region.view(2 * UNIT, UNIT):
            region.unmap(2 * UNIT, 2 * UNIT, preserve=True)
        region.unmap(2 * UNIT, 2 * UNIT, preserve=True)
        assert states(region) == [("committed", 0, 2), ("placeholder", 2, 2), ("committed", 4, 4)]
        with pytest.raises(StateError, match="a placeholder"):
            region.decommit()
        region.unmap(0, 2 * UNIT, preserve=True)
        region.unmap(4 * UNIT, 4 * UNIT, preserve=True)
        region.coalesce(0, None)
        region.replace(0, None)
        assert bytes(region.view()) == bytes(8 * UNIT)


def test_pieces_are_worked_on_together() -> None:
    """Where two replacements meet, one call acts on both."""
    with made() as region:
        region.split(4 * UNIT)
        region.replace(0, 4 * UNIT)
        region.replace(4 * UNIT, 4 * UNIT)
        region.view()[:] = b"x" * 8 * UNIT
        assert region.protect(2 * UNIT, 4 * UNIT, access="r") == "rw"
        region.decommit(3 * UNIT, 2 * UNIT)
        region.commit()
        view = region.view()
        assert not view.readonly
        assert bytes(view[3 * UNIT : 5 * UNIT]) == bytes(2 * UNIT)
        view.release()
        with pytest.raises(StateError, match="within one replacement"):
            region.unmap(0, 8 * UNIT, preserve=True)


def test_only_a_region_made_so() -> None:
    with Region(8 * UNIT) as region:
        acts = [
            lambda: region.split(UNIT),
            lambda: region.coalesce(0, None),
            lambda: region.replace(0, None),
            lambda: region.unmap(0, None, preserve=True),
        ]
        for act in acts:
            with pytest.raises(StateError, match="placeholder=True"):
                act()


@linux_only
@plain_only
def test_a_replacement_that_cannot_be_committed_is_a_placeholder_again() -> None:
    code = """
        import growable, resource
        from growable import CommitError, Region
        r = Region(4 << 30, placeholder=True)
        resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
        try:
            r.replace(0, None)
        except CommitError as error:
            print(error.limit, error.operation, error.requested == 4 << 30)
        print([run.state for run in r.pages()])
        r.replace(0, None, access=None)
    """
    assert run_child(code).stdout == "RLIMIT_DATA replace True\n['placeholder']\n"
