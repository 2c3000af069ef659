"""What a Region tells of its pages, and pictures of it.

`Region.query` returns a :class:`PageRun`, `Region.pages` a :class:`PageMap`: a sequence of runs
that prints as a table, shows itself in a notebook, and draws itself where matplotlib is installed.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, overload

__all__ = ["PageMap", "PageRun"]


class PageRun(NamedTuple):
    """Neighbouring pages that are alike.

    State, access and whether contents may be dropped are what the Region has on record of what was
    done to it. The memory behind the pages is what the system says at the moment of the call: on
    Linux /proc/self/pagemap, or mincore where that cannot be asked, and move_pages for the node; on
    Windows the working set; on macOS mincore.

    Attributes
    ----------
    offset, length : int
        Where they stand in the Region, in bytes.
    state : str
        ``"reserved"``, ``"committed"``, ``"guard"`` (committed or mapped, under a guard),
        ``"placeholder"`` or ``"mapped"``.
    access : str
        What the pages allow, apart from a guard.
    resident, huge : int
        Bytes that memory stands behind now, and how many of them are in huge pages (0 without
        ``capabilities()["query_memory"]``).
    node : int or None
        The node of the first resident page; None where none is, or the system does not tell.
    discarded : bool
        Whether the contents may be dropped: ``discard()`` and no ``restore()`` since.
    """

    offset: int
    length: int
    state: Literal["reserved", "committed", "guard", "placeholder", "mapped"]
    access: Literal["none", "r", "rw", "rx", "rwx", "wc"]
    resident: int
    huge: int
    node: int | None
    discarded: bool


# From the palette of Okabe and Ito, which colour-blind readers can tell apart. Light to dark in the
# order of how much stands behind the pages, so that it also works in grey.
COLOURS: dict[str, str] = {
    "reserved": "#e8e8e8",
    "placeholder": "#f0e442",
    "committed": "#56b4e9",
    "mapped": "#009e73",
    "guard": "#d55e00",
    "resident": "#0072b2",
}

_UNITS = ((1 << 50, "PiB"), (1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
HATCHES = {"none": "", "rw": "", "r": "///", "rx": "xxx", "rwx": "+++", "wc": "..."}
_TICKS_APART = 0.08  # of the width
_SMALLEST_SHARE = 0.004  # of the width of a picture; a single page of a terabyte is seen so


def _size(count: int) -> str:
    """Return a size for readers. A whole number is exact, so 64 MiB less a page is 65532 KiB."""
    for unit, name in _UNITS:
        text = f"{count / unit:.1f}"
        if count >= unit and count % unit == 0:
            return f"{count // unit} {name}"
        if count >= unit and not text.endswith(".0"):
            return f"{text} {name}"
    return f"{count} B"


class PageMap(Sequence[PageRun]):
    """The runs of a Region at one moment, from the first page to the last.

    Parameters
    ----------
    runs : iterable of PageRun
        The runs, by offset.
    page_size : int
        Bytes of a page.
    address : int
        Where the Region begins.
    name : str, optional
        What the Region is called.
    """

    def __init__(
        self, runs: Iterable[PageRun], page_size: int, address: int, name: str | None = None
    ) -> None:
        self._runs = tuple(runs)
        self.page_size = page_size
        self.address = address
        self.name = name

    @overload
    def __getitem__(self, index: int) -> PageRun: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[PageRun, ...]: ...
    def __getitem__(self, index: int | slice) -> PageRun | tuple[PageRun, ...]:
        return self._runs[index]

    def __len__(self) -> int:
        return len(self._runs)

    def __eq__(self, other: object) -> bool:
        return self._runs == other._runs if isinstance(other, PageMap) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._runs)

    @property
    def size(self) -> int:
        """Bytes of all runs."""
        return sum(run.length for run in self._runs)

    @property
    def resident(self) -> int:
        """Bytes that memory stands behind."""
        return sum(run.resident for run in self._runs)

    def total(self, state: str) -> int:
        """Return the bytes in a state.

        Parameters
        ----------
        state : str
            A state as in `PageRun.state`.
        """
        return sum(run.length for run in self._runs if run.state == state)

    def _title(self) -> str:
        title = f"Region of {_size(self.size)} at {self.address:#x}"
        return f"{title}, {self.name}" if self.name else title

    def _rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = [
            ("offset", "length", "pages", "state", "access", "resident", "huge", "node")
        ]
        rows += [
            (
                f"{run.offset:#x}",
                _size(run.length),
                str(run.length // self.page_size),
                f"{run.state}, discarded" if run.discarded else run.state,
                run.access,
                _size(run.resident),
                _size(run.huge),
                "-" if run.node is None else str(run.node),
            )
            for run in self._runs
        ]
        return rows

    def __str__(self) -> str:
        rows = self._rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        texts = {3, 4}  # columns that are no numbers
        lines = [self._title()]
        for row in rows:
            cells = (
                cell.ljust(width) if i in texts else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            lines.append("  ".join(cells).rstrip())
        return "\n".join(lines)

    __repr__ = __str__

    def _shares(self) -> list[float]:
        """Return the width of each run in a picture, 1 in all; no run is too narrow to be seen."""
        size = self.size or 1
        shares = [max(run.length / size, _SMALLEST_SHARE) for run in self._runs]
        total = sum(shares)
        return [share / total for share in shares]

    def _ticks(self) -> tuple[list[float], list[str]]:
        """Return where runs begin in a picture, and their offsets; those too near are left out."""
        places, names = [0.0], [_size(0)]
        left = at = 0.0
        for run, share in zip(self._runs, self._shares(), strict=True):
            left += share
            at = run.offset + run.length
            if left - places[-1] > _TICKS_APART:
                places.append(left)
                names.append(_size(int(at)))
        return places, names

    def _repr_html_(self) -> str:
        bar = "".join(
            f'<span title="{html.escape(_tip(run))}" style="display:inline-block;height:1.4em;'
            f'width:{share * 100:.3f}%;background:{_background(run)}"></span>'
            for run, share in zip(self._runs, self._shares(), strict=True)
        )
        head, *body = self._rows()
        cells = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
        lines = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in body
        )
        return (
            f"<div><div>{html.escape(self._title())}</div>"
            f'<div style="width:100%;line-height:0;border:1px solid #888">{bar}</div>'
            f"<div>{_legend(self._runs)}</div>"
            f"<table><thead><tr>{cells}</tr></thead><tbody>{lines}</tbody></table></div>"
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the runs as a bar; the resident part of each in a darker colour.

        The hatch tells the access, the axis where runs begin. Runs that are short beside others
        are drawn wider than they are.

        Needs matplotlib.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where to draw; new axes when left out.

        Returns
        -------
        matplotlib axes
        """
        try:
            from matplotlib import pyplot as plt
            from matplotlib.patches import Patch
        except ImportError as error:
            raise ImportError("plot() needs matplotlib: pip install matplotlib") from error
        if ax is None:
            _, ax = plt.subplots(figsize=(10, 1.6), layout="constrained")
        left = 0.0
        for run, share in zip(self._runs, self._shares(), strict=True):
            style = {"color": COLOURS[run.state], "hatch": HATCHES[run.access]}
            ax.barh(0, share, left=left, edgecolor="#00000080", linewidth=0, **style)
            filled = share * run.resident / run.length
            ax.barh(-0.3, filled, left=left, height=0.2, color=COLOURS["resident"])
            left += share
        ax.set_xlim(0, 1)
        ax.set_yticks([])
        places, names = self._ticks()
        ax.set_xticks(places, names, fontsize="small")
        ax.set_title(self._title())
        handles = [Patch(color=COLOURS[key], label=key) for key in _shown(self._runs)]
        handles += [
            Patch(facecolor="white", edgecolor="#00000080", hatch=HATCHES[access], label=access)
            for access in HATCHES
            if any(run.access == access and run.access != "none" for run in self._runs)
        ]
        ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.25), ncols=6)
        return ax


def _shown(runs: Sequence[PageRun]) -> list[str]:
    """Return what a picture of the runs shows, in the order of the palette."""
    found = {str(run.state) for run in runs} | {"resident" for run in runs if run.resident}
    return [key for key in COLOURS if key in found]


def _tip(run: PageRun) -> str:
    return (
        f"{run.offset:#x}, {_size(run.length)}: {run.state}, access {run.access}, "
        f"{_size(run.resident)} resident"
    )


def _background(run: PageRun) -> str:
    """Return the colour of the state, with the resident part from the bottom up."""
    filled = 100 * run.resident / run.length
    resident, state = COLOURS["resident"], COLOURS[run.state]
    return f"linear-gradient(to top,{resident} {filled:.1f}%,{state} {filled:.1f}%)"


def _legend(runs: Sequence[PageRun]) -> str:
    return " ".join(
        f'<span style="display:inline-block;width:0.9em;height:0.9em;background:{COLOURS[key]};'
        f'border:1px solid #888"></span> {key}'
        for key in _shown(runs)
    )
