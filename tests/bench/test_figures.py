"""The statistics: medians, spreads, percentiles, curves and turns."""

from __future__ import annotations

import gc
from array import array

import pytest
from growable.bench.figures import (
    alternate,
    curve_of,
    fastest_of,
    percentile,
    ratio_of,
    ratios,
    rotation,
    spread_of,
)


def test_spread() -> None:
    found = spread_of([5, 1, 4, 2, 3])
    assert found == {"median": 3, "low": 2, "high": 4, "least": 1, "most": 5, "count": 5}


def test_spread_of_one() -> None:
    found = spread_of([7])
    assert found == {"median": 7, "low": 7, "high": 7, "least": 7, "most": 7, "count": 1}


def test_ratios_are_taken_round_by_round() -> None:
    # The second round was slow for both, so its ratio is as good as any.
    assert ratios([10, 100, 12], [5, 50, 4]) == [2, 2, 3]
    assert ratio_of([10, 100, 12], [5, 50, 4]) == 2


def test_ratios_of_different_rounds() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratios([1, 2], [1])


@pytest.mark.parametrize(("share", "expected"), [(0, 0), (0.5, 50), (0.99, 99), (1, 99)])
def test_percentile(share: float, expected: int) -> None:
    assert percentile(range(100), share) == expected


def test_fastest_of_several_runs() -> None:
    assert fastest_of([[3, 9, 5], [4, 2, 5], [8, 8, 1]]) == array("Q", [3, 2, 1])
    assert fastest_of([[3, 9, 5]]) == array("Q", [3, 9, 5])


def test_fastest_of_runs_of_other_lengths() -> None:
    with pytest.raises(ValueError, match="different lengths"):
        fastest_of([[1, 2], [1]])


def test_curve_keeps_the_worst() -> None:
    samples = [1] * 1000
    samples[777] = 50
    curve = curve_of(samples, 10)
    assert len(curve) == 10
    assert curve[7] == (700, 50)
    assert curve_of([1, 2], 10) == [(0, 1), (1, 2)]
    assert len(curve_of(range(257), 256)) <= 256


def test_everybody_begins_a_round() -> None:
    names = ["a", "b", "c"]
    assert [rotation(names, number)[0] for number in range(4)] == ["a", "b", "c", "a"]
    assert all(sorted(rotation(names, number)) == names for number in range(4))


def test_alternate_without_the_collector() -> None:
    order = []

    def timer(name: str) -> object:
        def run(number: int) -> int:
            assert not gc.isenabled()
            order.append((number, name))
            return number

        return run

    times = alternate({"a": timer("a"), "b": timer("b")}, 2)  # type: ignore[dict-item]
    assert times == {"a": [0, 1], "b": [0, 1]}
    assert order == [(0, "a"), (0, "b"), (1, "b"), (1, "a")]
    assert gc.isenabled()
