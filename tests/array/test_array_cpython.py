"""CPython's own tests of array.array, for the operations that an Array has too."""

from __future__ import annotations

import importlib.util

import cpython_array
import pytest

if importlib.util.find_spec("test") is None or importlib.util.find_spec("test.test_array") is None:
    pytest.skip("this interpreter has no `test.test_array`", allow_module_level=True)


@pytest.fixture(scope="module")
def outcomes() -> dict[str, str]:
    return cpython_array.run(cpython_array.load())


def test_operations_that_both_have_pass(outcomes: dict[str, str]) -> None:
    ours = {name: outcome for name, outcome in outcomes.items() if cpython_array.is_ours(name)}
    failed = {name: text for name, text in ours.items() if text not in ("pass", "skip")}
    assert not failed, "\n\n".join(f"{name}\n{text}" for name, text in failed.items())
    assert sum(outcome == "pass" for outcome in ours.values()) > 400


def test_every_test_that_is_left_out_is_there_and_fails(outcomes: dict[str, str]) -> None:
    """A reason that is no longer true does not stand in the table."""
    methods: dict[str, set[str]] = {}
    for name, outcome in outcomes.items():
        kind, method = name.split(".")
        if kind not in cpython_array.NOT_OUR_CLASSES:
            methods.setdefault(method, set()).add(outcome)
    stale = [
        method
        for method in cpython_array.NOT_ARRAYS
        if method in methods and methods[method] <= {"pass"}
    ]
    assert not stale
