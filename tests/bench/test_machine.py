"""What a reader is told of the machine."""

from __future__ import annotations

import sysconfig

import pytest
from growable.bench import machine


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("'--prefix=/home/me' '--enable-optimizations' '--with-lto'", "built with PGO and LTO"),
        ("'--enable-optimizations'", "built with PGO"),
        ("'--prefix=/home/me'", "configured without PGO and LTO"),
        (None, "that does not tell how it was built"),
    ],
)
def test_how_the_interpreter_was_built(
    arguments: str | None, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sysconfig, "get_config_var", lambda _name: arguments)
    assert machine.describe()["python_build"] == told
