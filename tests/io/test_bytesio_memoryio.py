"""CPython's own tests of io.BytesIO, from the installed `test` package, run on ours.

The suites are CPython's with `ioclass` set to ours. `EXPECTED` is the only table of what is not
passed; an entry that passes fails the run, and docs/bytesio.md shows the same names to users.
`test_sizeof` asks for the size of the literal `io.BytesIO`, so it says nothing about ours.
"""

from __future__ import annotations

import io
import unittest
from pathlib import Path
from typing import Any

import growable
import pytest

memoryio: Any = pytest.importorskip("test.test_memoryio")

GROWS = "asserts that writing raises BufferError while a view is alive"
EXPECTED = {"test_getbuffer": GROWS, "test_getbuffer_empty": GROWS}


class Sub(growable.BytesIO):
    """A Python subclass that adds nothing but what every subclass has."""


def outcome_of(suite: type[unittest.TestCase], ioclass: type[io.BytesIO]) -> dict[str, str | None]:
    """Run the suite on a class and return the failure of each test that has run, or None."""
    chosen = type(suite.__name__, (suite,), {"ioclass": ioclass})
    found: dict[str, str | None] = {}
    for case in unittest.defaultTestLoader.loadTestsFromTestCase(chosen):
        assert isinstance(case, unittest.TestCase)
        result = unittest.TestResult()
        case.run(result)
        if not result.skipped:
            bad = [text for _, text in (*result.failures, *result.errors)]
            found[case._testMethodName] = "\n".join(bad) or None
    return found


@pytest.mark.parametrize("suite", ["CBytesIOTest", "PyBytesIOTest"])
@pytest.mark.parametrize("kind", [growable.BytesIO, Sub], ids=["exact", "subclass"])
def test_suite(suite: str, kind: type[growable.BytesIO]) -> None:
    tests = getattr(memoryio, suite)
    reference = outcome_of(tests, io.BytesIO)
    assert not {name: text for name, text in reference.items() if text is not None}
    ours = outcome_of(tests, kind)
    assert ours.keys() == reference.keys()
    assert len(ours) >= 30
    bad = {name: text for name, text in ours.items() if text is not None}
    assert not {name: text for name, text in bad.items() if name not in EXPECTED}
    assert bad.keys() == EXPECTED.keys()
    assert all("BufferError not raised by write" in text for text in bad.values())


def test_the_document_names_them() -> None:
    text = Path(__file__).parents[2].joinpath("docs", "bytesio.md").read_text(encoding="utf-8")
    for name, reason in EXPECTED.items():
        assert f"`{name}`" in text
        assert reason.removeprefix("asserts that ") in " ".join(text.split())
