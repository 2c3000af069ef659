"""A buffer's pages as a picture: runs of page states in, rows of cells out."""

from __future__ import annotations

from collections.abc import Sequence

RESERVED, COMMITTED, RESIDENT = range(3)

ROWS = 6
"""The most rows that a picture has."""

_BLOCKS = "\N{MIDDLE DOT}\N{LIGHT SHADE}\N{DARK SHADE}\N{FULL BLOCK}"
_ASCII = ".-+#"


class Picture:
    """The picture of a buffer's pages, from its first page to the last committed one.

    Parameters
    ----------
    runs : sequence of (state, count)
        How many pages in a row are RESERVED, COMMITTED or RESIDENT.
    width : int
        How many cells fit in a row.
    encoding : str
        Of the place where it will be shown; ASCII marks are used unless it is a Unicode one.
    """

    def __init__(self, runs: Sequence[Sequence[int]], width: int, encoding: str) -> None:
        self._pages = b"".join(bytes([state]) * count for state, count in runs)
        self._marks = _BLOCKS if encoding.lower().startswith("utf") else _ASCII
        self.width = width
        self.pages_per_cell = 1
        while self.pages_per_cell * width * ROWS < len(self._pages):
            self.pages_per_cell *= 2

    def count(self, state: int) -> int:
        """Return how many pages are in `state`."""
        return self._pages.count(state)

    def rows(self) -> list[str]:
        """Return the rows of the picture, the last one possibly shorter."""
        step = self.pages_per_cell
        cells = "".join(
            self._mark(self._pages[at : at + step]) for at in range(0, len(self._pages), step)
        )
        return [cells[at : at + self.width] for at in range(0, len(cells), self.width)]

    def legend(self) -> str:
        """Return what the marks mean, in one line."""
        names = ("reserved", "committed", "partly resident", "resident")
        return "  ".join(f"{mark} {name}" for mark, name in zip(self._marks, names, strict=True))

    def _mark(self, pages: bytes) -> str:
        resident = pages.count(RESIDENT)
        if resident:
            return self._marks[3 if resident == len(pages) else 2]
        return self._marks[1 if COMMITTED in pages else 0]
