"""Every row of the table gathers the same bytes, and what would not is seen."""

from __future__ import annotations

import gc
import json
from typing import Any

import growable.bench.child as child
import growable.bench.contestants as table
import pytest
from growable.bench.child import Pieces
from growable.bench.contestants import CONTESTANTS, FLOOR, TIMER, contestant, missing, too_much

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SIZES = [(KIB, 1), (KIB, 16), (64 * KIB, 4 * KIB), (300_000, 7_000), (2 * MIB, MIB)]


def here(name: str) -> table.Implementation:
    why = missing(name)
    if why is not None:
        pytest.skip(why)
    return contestant(name).make()


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", [name for name in CONTESTANTS if name != TIMER])
def test_fill(name: str, size: tuple[int, int]) -> None:
    way, pieces = here(name), Pieces(*size)
    for number in (0, 5):
        taken = [way.convert(piece) for piece in pieces.of_round(number)]
        contents = way.fill(pieces.stream(taken), pieces.total)
        assert pieces.difference(contents, number) is None


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", [name for name in CONTESTANTS if name not in (TIMER, FLOOR)])
def test_one_by_one(name: str, size: tuple[int, int]) -> None:
    way, pieces = here(name), Pieces(*size)
    step, finish = way.start(pieces.total)
    for piece in pieces.stream([way.convert(piece) for piece in pieces.of_round(1)]):
        step(piece)
    assert pieces.difference(finish(), 1) is None


def test_total_that_is_no_multiple_of_the_chunk() -> None:
    pieces = Pieces(100, 30)
    assert (pieces.count, pieces.total) == (3, 90)


def contents_of(pieces: Pieces) -> bytearray:
    return bytearray().join(pieces.stream(pieces.of_round(0)))


@pytest.mark.parametrize("kind", [bytearray, memoryview])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_wrong_bytes_are_seen(size: tuple[int, int], kind: Any) -> None:
    pieces = Pieces(*size)
    contents = contents_of(pieces)
    assert pieces.difference(kind(contents), 0) is None
    for at in {0, 1, pieces.total // 2, pieces.total - 1}:
        contents[at] ^= 1
        assert pieces.difference(kind(contents), 0) is not None, at
        contents[at] ^= 1


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_wrong_length_is_seen(size: tuple[int, int]) -> None:
    pieces = Pieces(*size)
    contents = contents_of(pieces)
    assert pieces.difference(contents[:-1], 0) is not None
    assert pieces.difference(contents + b"x", 0) is not None
    assert pieces.difference(b"", 0) is not None


def test_a_piece_of_another_round_is_seen() -> None:
    pieces = Pieces(64 * KIB, 4 * KIB)
    assert pieces.difference(contents_of(pieces), 1) is not None


def test_wider_items_are_seen() -> None:
    # As many items as there should be bytes.
    np = pytest.importorskip("numpy")
    pieces = Pieces(KIB, 16)
    assert pieces.difference(np.zeros(KIB, float), 0) is not None


def test_both_ends_of_what_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "MOST_BLOCKS", 4)
    pieces = Pieces(2 * MIB, 4 * KIB)
    contents = contents_of(pieces)
    assert pieces.difference(contents, 0) is None
    for at in (0, pieces.total - 1):
        contents[at] ^= 1
        assert pieces.difference(contents, 0) is not None
        contents[at] ^= 1


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert missing("pyarrow") == "pyarrow is not installed"
    assert missing("bytearray") is None


def test_a_setting_that_growable_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("growable.set_defaults", lambda *, huge_pages=None: None)
    for name in (table.LOW_LATENCY, table.BACKGROUND):
        assert "set_defaults" in str(missing(name))
    assert missing(table.OURS) is None


def test_a_library_that_cannot_be_preloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    if isinstance(table._tunables(), str) or table.sysconfig.get_config_var("WITH_MIMALLOC"):
        pytest.skip("this interpreter does it in another way")
    monkeypatch.setenv(table.PRELOAD_VARIABLE, "/nowhere/libmimalloc.so")
    assert missing(table.COPYING) == "libmimalloc.so cannot be preloaded"


@pytest.mark.parametrize(
    ("name", "total", "chunk", "available", "why"),
    [
        ("bytearray", GIB, 64 * KIB, 16 * GIB, None),
        ("bytearray", GIB, 64 * KIB, GIB, "memory"),
        ("bytearray", 4 * GIB, 1, None, "too long"),
        ("Buffer", 256 * MIB, 1, None, None),
        ("pyarrow", 256 * MIB, 1, None, "too long"),
        ("np.append", MIB, KIB, None, None),
        ("np.append", GIB, 64 * KIB, None, "copies"),
        ("dvg-ringbuffer", 16 * MIB, 16, None, "too long"),
        ("list + join", 16 * MIB, 16, 64 * MIB, "memory"),
        ("list + join", 16 * MIB, MIB, 64 * MIB, None),
    ],
)
def test_too_much(name: str, total: int, chunk: int, available: int | None, why: str) -> None:
    found = too_much(name, total, chunk, available)
    assert (found is None) if why is None else (found is not None and why in found)


def test_a_failing_contestant_says_why(capfd: pytest.CaptureFixture[str]) -> None:
    plan = {"work": "fill", "contestant": "nobody", "total": 16, "chunk": 1}
    try:
        assert child.main(json.dumps(plan)) == 1
    finally:
        gc.enable()
    assert "nobody" in json.loads(capfd.readouterr().out)["error"]
