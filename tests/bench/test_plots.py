"""Which cells are drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from growable.bench import plots

KIB, MIB = 1 << 10, 1 << 20


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[list[tuple[int, int, int]]]:
    pictures: list[list[tuple[int, int, int]]] = []

    def keep(path: Path, _what: Any, rows: list[dict[str, Any]]) -> str:
        pictures.append([(row["run"], row["total"], row["chunk"]) for row in rows])
        return path.name

    monkeypatch.setattr(plots, "_write", keep)
    return pictures


def cell(run: int, total: int, chunk: int) -> dict[str, Any]:
    return {"run": run, "mode": "first", "total": total, "chunk": chunk}


def document(*cells: dict[str, Any]) -> dict[str, Any]:
    return {"set": "some", "latency": [], "memory": [], "cells": cells}


def test_the_first_run_in_pieces_of_64_kib(
    drawn: list[list[tuple[int, int, int]]], tmp_path: Path
) -> None:
    cells = [cell(0, total, 64 * KIB) for total in (16 * MIB, MIB)]
    again = [cell(run, 64 * KIB, KIB) for run in (0, 1, 2)]
    plots.draw(document(*cells, *again, cell(1, MIB, 64 * KIB)), tmp_path)
    assert drawn == [[(0, MIB, 64 * KIB), (0, 16 * MIB, 64 * KIB)]]


def test_the_commonest_pieces_where_there_are_none_of_64_kib(
    drawn: list[list[tuple[int, int, int]]], tmp_path: Path
) -> None:
    cells = [cell(0, MIB, 64), cell(0, MIB, KIB), cell(0, 64 * KIB, KIB)]
    plots.draw(document(*cells), tmp_path)
    assert drawn == [[(0, 64 * KIB, KIB), (0, MIB, KIB)]]
