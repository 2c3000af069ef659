"""Table needs NumPy: without it this folder is left out."""

from __future__ import annotations

import pytest

pytest.importorskip("numpy")
