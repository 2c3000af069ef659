"""NumPy is needed for Array and for nothing else."""

from __future__ import annotations

import growable
from support import run_child


def test_import_of_the_package_does_not_import_numpy() -> None:
    run_child(
        """
        import sys, growable
        assert "numpy" not in sys.modules
        growable.Buffer(b"abc").extend(b"def")
        growable.info()
        assert "Array" in dir(growable)
        assert "numpy" not in sys.modules
        growable.Array
        assert "numpy" in sys.modules
        """
    )


def test_star_import_does_not_need_numpy() -> None:
    run_child(
        """
        import sys
        from growable import *
        assert Buffer(b"a") == b"a"
        assert "numpy" not in sys.modules
        """
    )


def test_without_numpy_the_error_says_what_to_install() -> None:
    run_child(
        """
        import sys
        sys.modules["numpy"] = None
        import growable
        try:
            growable.Array
        except ImportError as error:
            assert "pip install numpy" in str(error)
        else:
            raise AssertionError("no error")
        assert not hasattr(growable, "Table_that_is_not_there")
        """
    )


def test_name_is_looked_up_once() -> None:
    assert growable.Array is growable.Array
    assert "Array" in vars(growable)
