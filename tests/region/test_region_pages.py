"""What a Region tells of its pages, beside what the system says; and the pictures."""

from __future__ import annotations

import html.parser
import importlib.util
import random
import re

import pytest
from growable import Region
from growable.pages import COLOURS, HATCHES, PageMap, PageRun
from region_support import (
    linux_only,
    linux_or_windows,
    system_access,
    system_resident,
    told_access,
    told_states,
)
from support import PAGE, run_child


def test_query_gives_the_run() -> None:
    with Region(8 * PAGE) as region:
        region.commit(2 * PAGE, 3 * PAGE, "r")
        for offset in (2 * PAGE, 3 * PAGE + 5, 5 * PAGE - 1):
            run = region.query(offset)
            assert isinstance(run, PageRun)
            assert run[:6] == (2 * PAGE, 3 * PAGE, "committed", "r", 0, 0)
        assert region.query(0)[:4] == (0, 2 * PAGE, "reserved", "none")
        for offset in (-1, 8 * PAGE, 1 << 70):
            with pytest.raises(ValueError, match="offset"):
                region.query(offset)
        with pytest.raises(TypeError):
            region.query("0")  # type: ignore[arg-type]


def test_pages_is_a_sequence_of_all_runs() -> None:
    with Region(8 * PAGE) as region:
        region.commit(PAGE, PAGE)
        pages = region.pages()
        assert isinstance(pages, PageMap)
        assert [run.offset for run in pages] == [0, PAGE, 2 * PAGE]
        assert pages.size == region.size
        assert pages.total("committed") == PAGE
        assert pages.total("reserved") == 7 * PAGE
        assert pages.total("mapped") == 0
        assert pages[1] == pages[-2] == region.query(PAGE)
        assert pages[1:] == tuple(pages)[1:]
        assert pages == region.pages()
        assert hash(pages) == hash(region.pages())
        assert pages != tuple(pages)
        assert pages.address == region.address
        assert pages.page_size == PAGE
        region.commit()
        assert len(pages) == 3  # a moment, not a view


@linux_or_windows
def test_it_agrees_with_the_system() -> None:
    rng = random.Random(3)
    with Region(66 * PAGE, executable=True) as region:
        for _ in range(200):
            first = rng.randint(1, 64)
            length = rng.randint(1, 65 - first) * PAGE
            act = rng.randrange(4)
            access = rng.choice(["none", "r", "rw", "rx", "rwx"])
            if act == 0:
                region.decommit(first * PAGE, length)
            elif act == 1 or "r" in told_states(region)[first : first + length // PAGE]:
                region.commit(first * PAGE, length, access)  # type: ignore[arg-type]
            elif act == 2:
                region.protect(first * PAGE, length, access)  # type: ignore[arg-type]
            if region.query(first * PAGE).access in ("rw", "rwx"):
                region.view(first * PAGE, 1)[0] = 1
            assert told_access(region) == system_access(region)
            assert region.pages().resident == system_resident(region)


@linux_or_windows
def test_resident_bytes_of_untouched_and_of_read_pages() -> None:
    with Region(8 * PAGE, commit=True) as region:
        assert region.pages().resident == 0
        assert region.view()[0] == 0
        region.view(2 * PAGE)[0] = 1
        assert region.query(0).resident in (
            PAGE,
            2 * PAGE,
        )  # the shared page of zeros counts or not


@linux_only
def test_huge_pages_are_told() -> None:
    """Asks for huge pages as another part of the program might."""
    import ctypes

    import growable

    huge = growable.info()["huge_page_size"]
    if not huge or growable.info()["thp"] not in ("advised", "always"):
        pytest.skip("no transparent huge pages")
    with Region(4 * huge, alignment=huge, commit=True) as region:
        libc = ctypes.CDLL(None)
        libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        assert libc.madvise(region.address, region.size, 14) == 0
        region.view(huge, huge)[:] = b"x" * huge
        run = region.query(0)
        if run.huge == 0:
            pytest.skip("the system had no huge page to give, or does not tell of single ones")
        assert run.huge == huge
        assert run.resident == huge


# Pictures.


def sample() -> PageMap:
    runs = [
        PageRun(0, 4 * PAGE, "committed", "rw", 2 * PAGE, 0, 0, False),
        PageRun(4 * PAGE, PAGE, "guard", "rw", 0, 0, None, False),
        PageRun(5 * PAGE, PAGE, "placeholder", "none", 0, 0, None, False),
        PageRun(6 * PAGE, PAGE, "mapped", "wc", PAGE, 0, None, False),
        PageRun(7 * PAGE, PAGE, "committed", "rw", 0, 0, None, True),
        PageRun(8 * PAGE, (1 << 40) - 8 * PAGE, "reserved", "none", 0, 0, None, False),
    ]
    return PageMap(runs, PAGE, 0x7F0000000000, "<frames>")


def test_the_table_is_aligned() -> None:
    lines = str(sample()).splitlines()
    assert lines[0] == "Region of 1 TiB at 0x7f0000000000, <frames>"
    heads = lines[1].split()
    assert heads == ["offset", "length", "pages", "state", "access", "resident", "huge", "node"]
    assert len(lines) == 8
    state, access = lines[1].index("state"), lines[1].index("access")
    for line in lines[2:]:
        assert line[state - 1] == " " != line[state]
        assert line[access - 1] == " " != line[access]
        assert line == line.rstrip()
    assert "committed, discarded" in lines[6]
    assert repr(sample()) == str(sample())


class Checker(html.parser.HTMLParser):
    """Checks that tags are closed in order, and collects the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.seen.append(data)


def test_the_notebook_picture() -> None:
    text = sample()._repr_html_()
    checker = Checker()
    checker.feed(text)
    checker.close()
    assert checker.open == []
    shown = " ".join(checker.seen)
    assert "<frames>" in shown
    assert "<frames>" not in text
    for state in ("reserved", "committed", "guard", "placeholder", "mapped", "resident"):
        assert state in shown
        assert COLOURS[state] in text
    widths = [float(w) for w in re.findall(r"width:([0-9.]+)%;background", text)]
    assert len(widths) == len(sample())
    assert sum(widths) == pytest.approx(100, abs=0.01)
    assert min(widths) > 0.3


def brightness(colour: str) -> float:
    """Return how light a colour is, as grey."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def as_seen_without_red_or_green(colour: str) -> tuple[float, float]:
    """Return roughly what is left of a colour for who cannot tell red from green."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return 0.5 * (red + green), float(blue)


def test_the_colours_can_be_told_apart() -> None:
    names = list(COLOURS)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            a, b = (as_seen_without_red_or_green(COLOURS[name]) for name in (one, other))
            apart = abs(a[0] - b[0]) + abs(a[1] - b[1])
            assert apart > 40, (one, other)
    assert brightness(COLOURS["reserved"]) > brightness(COLOURS["committed"])
    assert brightness(COLOURS["committed"]) > brightness(COLOURS["resident"])


def test_sizes_are_short_and_true() -> None:
    from growable.pages import _size

    assert [_size(n) for n in (0, 1, 1023, 1024, 4096, 1 << 20, 3 << 29, 1 << 40)] == [
        "0 B", "1 B", "1023 B", "1 KiB", "4 KiB", "1 MiB", "1.5 GiB", "1 TiB",
    ]  # fmt: skip
    assert [_size(n) for n in ((64 << 20) - 4096, (1 << 20) + 4096, 5 << 18)] == [
        "65532 KiB", "1028 KiB", "1.2 MiB",
    ]  # fmt: skip


def test_plot_without_matplotlib_says_what_to_install() -> None:
    code = """
        import sys
        sys.modules["matplotlib"] = None
        from growable import Region
        r = Region(1)
        for plot in (r.plot, r.pages().plot):
            try:
                plot()
            except ImportError as error:
                print(error)
    """
    assert run_child(code).stdout == "plot() needs matplotlib: pip install matplotlib\n" * 2


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="needs matplotlib")
def test_plot() -> None:
    import matplotlib

    matplotlib.use("Agg")
    axes = sample().plot()
    assert axes.get_title() == sample()._title()
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    accesses = {run.access for run in sample()} - {"none"}
    assert set(labels) == set(COLOURS) | accesses
    assert "wc" in accesses
    hatches = {patch.get_hatch() for patch in axes.patches}
    assert {HATCHES["wc"], HATCHES["rw"]} <= hatches
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names[0] == "0 B"
    assert names[-1] == "1 TiB"
    with Region(8 * PAGE) as region:
        region.commit(0, PAGE)
        assert region.plot(ax=axes) is axes
    axes.figure.canvas.draw()
    matplotlib.pyplot.close(axes.figure)


def test_importing_growable_does_not_import_the_pictures() -> None:
    code = """
        import sys, growable
        growable.Region(1)
        assert "growable.pages" not in sys.modules
        growable.Region(1).pages()
        assert "growable.pages" in sys.modules
    """
    run_child(code)
