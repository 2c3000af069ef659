"""All or nothing: whatever allocation is refused, the columns stay what they were."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import table_faults
from growable import CapacityError, Table
from support import run_child, under_sanitizer

SCRIPT = Path(table_faults.__file__)
NAMES = list(table_faults.OPERATIONS)


@pytest.mark.skipif(importlib.util.find_spec("_testcapi") is None, reason="needs _testcapi")
@pytest.mark.skipif(under_sanitizer(), reason="the sanitizer allocates for itself")
@pytest.mark.parametrize("names", [NAMES[i::4] for i in range(4)], ids=range(4))
def test_refused_memory_changes_nothing(names: list[str]) -> None:
    command = [sys.executable, "-X", "faulthandler", str(SCRIPT), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    met = dict(line.rsplit(": ", 1) for line in done.stdout.splitlines())
    assert set(met) == set(names)
    assert sum(int(count) for count in met.values()) > 20


def test_the_column_that_is_full_first_stops_all() -> None:
    from growable.table import Column

    small = Column(dtype="i2", capacity=10)
    table = Table._over({"a": Column(dtype="f8"), "b": small, "c": Column(dtype="U1")})
    for number in range(10):
        table.append((number, number, "x"))
    for change in (
        lambda: table.append((1.0, 1, "x")),
        lambda: table.extend({"a": [1.0], "b": [1], "c": ["x"]}),
        lambda: table.ensure(1),
        lambda: table.spare(1),
    ):
        with pytest.raises(CapacityError):
            change()
    assert len(table) == 10
    assert table.capacity == 10


def test_without_numpy_the_error_says_what_to_install() -> None:
    run_child(
        """
        import sys
        sys.modules["numpy"] = None
        import growable
        assert "Table" in dir(growable)
        try:
            growable.Table
        except ImportError as error:
            assert "pip install numpy" in str(error), error
        else:
            raise AssertionError("no error")
        """
    )


def test_reading_needs_none_of_the_others() -> None:
    run_child(
        """
        import sys
        for name in ("pandas", "polars", "pyarrow"):
            sys.modules[name] = None
        from growable import Table
        table = Table({"a": "f8"})
        table.extend({"a": [1.0]})
        table.extend([(2.0,)])
        assert table["a"].tolist() == [1.0, 2.0]
        table.__arrow_c_stream__()
        class Arrow:
            def __arrow_c_stream__(self, requested_schema=None):
                return table.__arrow_c_stream__()
        try:
            table.extend(Arrow())
        except TypeError as error:
            assert "needs pyarrow" in str(error)
        else:
            raise AssertionError("no error")
        """
    )
