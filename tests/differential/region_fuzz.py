"""Random operations on Regions against a model of their pages.

    python tests/differential/region_fuzz.py --seconds 60 --seed 7

Each step does the same to a Region and to the model: they must raise the same kind of exception or
return the same. Then every page must be as the model has it (state, access, contents), and now and
then the system's own view of the protection must agree as well. A failure prints the seed of its round
and the steps that led to it; `--seed N --rounds 1` runs that round alone.

The one thing a reader would get wrong: contents are read by address, past the Region's own checks,
so a page that the model takes for readable and is not ends the process. That is the point, under a
sanitizer too.
"""

from __future__ import annotations

import argparse
import ctypes
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import growable
from growable import Region, Section, StateError

PAGE = int(growable.info()["page_size"])
UNIT = int(growable.info()["granularity"])
CAN = growable.capabilities()
ZERO = bytes(PAGE)
READS = ("r", "rw", "rx", "rwx")
WRITES = ("rw", "rwx")
STEPS = 120
MADV_DONTNEED = 4


@dataclass
class Page:
    """One page of the model."""

    state: str = "reserved"
    access: str = "none"
    content: bytes = ZERO
    discarded: bool = False
    dropped: bool = False
    piece: int = 0
    guarded: bool = False
    shown: int | None = None  # the page of the section that it shows


@dataclass
class Export:
    """A view that is alive."""

    view: memoryview
    first: int
    last: int
    writable: bool


class Difference(Exception):
    """The Region and the model differ."""


@dataclass
class Model:
    """What the documentation says of a Region."""

    pages: list[Page]
    executable: bool
    placeholder: bool
    write_watch: bool
    exports: list[Export] = field(default_factory=list)
    written: set[int] = field(default_factory=set)
    pieces: int = 0
    section: list[bytes] = field(default_factory=list)

    def content(self, i: int) -> bytes:
        page = self.pages[i]
        return page.content if page.shown is None else self.section[page.shown]

    def range_of(self, offset: int, length: int | None) -> range:
        size = len(self.pages) * PAGE
        if offset < 0 or offset >= size or length == 0 or (length is not None and length < 0):
            raise ValueError
        if length is None:
            length = size - offset
        if length > size - offset:
            raise ValueError
        return range(offset // PAGE, (offset + length - 1) // PAGE + 1)

    def check_states(self, where: range, *states: str) -> None:
        if any(self.pages[i].state not in states for i in where):
            raise StateError

    def check_exports(self, where: range, access: str = "none") -> None:
        for export in self.exports:
            if export.last < where.start or export.first >= where.stop:
                continue
            if access not in READS or (export.writable and access not in WRITES):
                raise BufferError

    def check_access(self, access: str) -> None:
        if access not in ("none", *READS) or ("x" in access and not self.executable):
            raise ValueError

    def commit(self, offset: int, length: int | None, access: str) -> None:
        where = self.range_of(offset, length)
        self.check_access(access)
        self.check_states(where, "reserved", "committed")
        self.check_exports(where, access)
        for i in where:
            self.pages[i].state, self.pages[i].access = "committed", access
            self.pages[i].guarded = False

    def decommit(self, offset: int, length: int | None) -> None:
        where = self.range_of(offset, length)
        self.check_states(where, "reserved", "committed")
        self.check_exports(where)
        self.forget(where, "reserved")

    def forget(self, where: range, state: str, piece: int | None = None) -> None:
        for i in where:
            kept = self.pages[i].piece if piece is None else piece
            self.pages[i] = Page(state=state, piece=kept)
            self.written.discard(i)

    def protect(self, offset: int, length: int | None, access: str) -> str:
        where = self.range_of(offset, length)
        self.check_access(access)
        self.check_states(where, "committed", "mapped")
        self.check_exports(where, access)
        before = self.pages[where.start].access
        for i in where:
            self.pages[i].access, self.pages[i].guarded = access, False
        return before

    def guard(self, offset: int, length: int | None) -> None:
        where = self.range_of(offset, length)
        if any(self.pages[i].access not in READS or self.pages[i].discarded for i in where):
            raise StateError
        for i in where:
            self.pages[i].guarded = True

    def discard(self, offset: int, length: int | None) -> None:
        where = self.range_of(offset, length)
        self.check_states(where, "committed")
        if any(self.pages[i].access not in WRITES or self.pages[i].guarded for i in where):
            raise StateError
        self.check_exports(where)
        for i in where:
            self.pages[i].discarded = True

    def restore(self, offset: int, length: int | None) -> list[tuple[int, int]]:
        where = self.range_of(offset, length)
        if any(self.pages[i].discarded and self.pages[i].access not in WRITES for i in where):
            raise StateError
        lost: list[tuple[int, int]] = []
        for i in where:
            page = self.pages[i]
            if page.discarded and page.dropped and page.content != ZERO:
                page.content = ZERO
                if lost and sum(lost[-1]) == i * PAGE:
                    lost[-1] = (lost[-1][0], lost[-1][1] + PAGE)
                else:
                    lost.append((i * PAGE, PAGE))
            page.discarded = page.dropped = False
        return lost

    def readable(self, offset: int, length: int | None) -> None:
        where = self.range_of(offset, length)
        if any(self.pages[i].access not in READS or self.pages[i].guarded for i in where):
            raise StateError

    def view(self, offset: int, length: int | None) -> tuple[int, bool]:
        where = self.range_of(offset, length)
        seen = [self.pages[i].access in READS and not self.pages[i].discarded for i in where]
        if length is None:
            count = [*seen, False].index(False)
            where = range(where.start, where.start + count)
            length = where.stop * PAGE - offset
            seen = seen[:count] or [False]
        if not all(seen):
            raise StateError
        return length, all(self.pages[i].access in WRITES for i in where)

    # Placeholders.

    def placeholder_range(self, offset: int, length: int | None, *states: str) -> range:
        where = self.range_of(offset, length)
        exact = len(self.pages) * PAGE - offset if length is None else length
        if not self.placeholder:
            raise StateError
        if offset % UNIT or exact % UNIT:
            raise ValueError
        self.check_states(where, *states)
        return where

    def is_edge(self, i: int) -> bool:
        return i in (0, len(self.pages)) or self.pages[i].piece != self.pages[i - 1].piece

    def rest_of_piece(self, i: int) -> range:
        stop = i + 1
        while not self.is_edge(stop):
            stop += 1
        return range(i, stop)

    def renumber(self, where: range) -> None:
        self.pieces += 1
        for i in where:
            self.pages[i].piece = self.pieces

    def split(self, offset: int) -> None:
        where = self.placeholder_range(
            offset, None, "placeholder", "reserved", "committed", "mapped"
        )
        if offset == 0:
            raise ValueError
        if self.is_edge(where.start):
            raise StateError
        where = self.rest_of_piece(where.start)
        self.check_states(where, "placeholder")
        self.renumber(where)

    def coalesce(self, offset: int, length: int | None) -> None:
        where = self.placeholder_range(offset, length, "placeholder")
        if not (self.is_edge(where.start) and self.is_edge(where.stop)):
            raise StateError
        self.renumber(where)

    def replace(self, offset: int, length: int | None, access: str | None) -> None:
        if access is not None and access not in ("none", *READS):
            raise ValueError
        where = self.placeholder_range(offset, length, "placeholder")
        if not self.is_edge(where.start) or self.rest_of_piece(where.start) != where:
            raise StateError
        if access is not None:
            self.check_access(access)
        self.renumber(where)
        for i in where:
            self.pages[i].state = "reserved" if access is None else "committed"
            self.pages[i].access = access or "none"

    def map(self, first: int, offset: int, length: int | None) -> None:
        where = self.placeholder_range(offset, length, "placeholder")
        if len({self.pages[i].piece for i in where}) != 1:
            raise StateError
        after = None if self.is_edge(where.stop) else self.rest_of_piece(where.stop)
        self.renumber(where)
        if after is not None:
            self.renumber(after)
        for i in where:
            self.pages[i].state, self.pages[i].access = "mapped", "rw"
            self.pages[i].shown = first + i - where.start

    def unmap_section(self, offset: int, length: int | None, preserve: bool) -> None:
        where = self.placeholder_range(offset, length, "mapped")
        if not self.is_edge(where.start) or self.rest_of_piece(where.start) != where:
            raise StateError
        self.check_exports(where)
        self.pieces += 1
        self.forget(where, "placeholder" if preserve else "reserved", self.pieces)

    def unmap(self, offset: int, length: int | None) -> None:
        where = self.placeholder_range(offset, length, "reserved", "committed")
        self.check_exports(where)
        if len({self.pages[i].piece for i in where}) != 1:
            raise StateError
        after = None if self.is_edge(where.stop) else self.rest_of_piece(where.stop)
        self.pieces += 1
        self.forget(where, "placeholder", self.pieces)
        if after is not None:
            self.renumber(after)

    # What is told.

    def runs(self) -> list[tuple[int, int, str, str, bool]]:
        runs: list[tuple[int, int, str, str, bool]] = []
        before: tuple[Any, ...] | None = None
        for i, page in enumerate(self.pages):
            state = "guard" if page.guarded else page.state
            kind = (state, page.access, page.discarded, page.piece)
            if kind == before:
                offset, length, *rest = runs[-1]
                runs[-1] = (offset, length + PAGE, *rest)  # type: ignore[assignment]
            else:
                runs.append((i * PAGE, PAGE, state, page.access, page.discarded))
            before = kind
        return runs

    def written_ranges(self, reset: bool) -> list[tuple[int, int]]:
        if not self.write_watch:
            raise StateError
        found: list[tuple[int, int]] = []
        for i in sorted(self.written):
            if found and sum(found[-1]) == i * PAGE:
                found[-1] = (found[-1][0], found[-1][1] + PAGE)
            else:
                found.append((i * PAGE, PAGE))
        if reset:
            self.written.clear()
        return found


def outcome(act: Callable[[], Any]) -> Any:
    """Return what an operation gives: its result, or the kind of exception."""
    try:
        return act()
    except StateError:
        return StateError
    except (ValueError, OverflowError):
        return ValueError
    except BufferError:
        return BufferError


class Round:
    """One Region, from its reservation to its release."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        units = rng.randint(1, 12)
        kind = rng.choice(["plain", "plain", "commit", "placeholder", "watch"])
        if (kind == "placeholder" and not CAN["placeholder"]) or not CAN["write_watch"]:
            kind = "plain" if kind in ("placeholder", "watch") else kind
        executable = rng.random() < 0.3
        options: dict[str, Any] = {"executable": executable}
        if kind == "commit":
            options["commit"] = True
        if kind == "placeholder":
            options["placeholder"] = True
        if kind == "watch":
            options["write_watch"] = True
        if rng.random() < 0.2:
            options["top_down"] = True
        if rng.random() < 0.2:
            options["highest"] = (1 << 44) - 1
        self.region = Region(units * UNIT, **options)
        first = {"commit": "committed", "placeholder": "placeholder"}.get(kind, "reserved")
        page = Page(state=first, access="rw" if kind == "commit" else "none")
        pages = [replace(page) for _ in range(self.region.size // PAGE)]
        self.model = Model(pages, executable, kind == "placeholder", kind == "watch")
        self.section: Section | None = None
        if kind == "placeholder":
            self.section = Section(2 * units * UNIT)
            self.model.section = [ZERO] * (2 * units * UNIT // PAGE)
        self.steps: list[str] = [f"Region({units * UNIT}, **{options})"]

    def some_range(self) -> tuple[int, int | None]:
        rng, size = self.rng, self.region.size
        if rng.random() < 0.05:
            return rng.choice([(-1, 1), (size, 1), (0, 0), (0, size + 1), (5, 1 << 62), (0, -1)])
        unit = rng.choice([1, PAGE, PAGE, UNIT])
        offset = rng.randrange(0, size, unit)
        if rng.random() < 0.1:
            return offset, None
        # Small ranges are the ones that split runs.
        most = size - offset if rng.random() < 0.5 else min(size - offset, 3 * max(unit, PAGE))
        return offset, max(unit, rng.randint(1, most) // unit * unit)

    def some_access(self) -> str:
        return self.rng.choice(["none", "r", "rw", "rw", "rw", "rx", "rwx", "x"])

    def step(self) -> None:
        acts: list[tuple[int, Callable[[], None]]] = [
            (6, self.commit),
            (3, self.decommit),
            (5, self.protect),
            (8, self.write),
            (4, self.take_view),
            (3, self.drop_view),
            (4, self.discard),
            (4, self.restore),
            (3, self.system_drops),
            (2, self.lock_or_prefetch),
            (2, self.written),
            (8 if self.model.placeholder else 1, self.placeholders),
            (4 if self.section else 0, self.map),
            (2, self.guard),
            (3, self.touch),
            (1, self.force),
            (1, self.query),
        ]
        weights = [weight for weight, _ in acts]
        self.rng.choices([act for _, act in acts], weights)[0]()
        self.check()

    def both(self, text: str, ours: Callable[[], Any], theirs: Callable[[], Any]) -> Any:
        self.steps.append(text)
        found, expected = outcome(ours), outcome(theirs)
        if found != expected:
            raise Difference(f"{text} gave {found!r}, expected {expected!r}")
        return found

    def commit(self) -> None:
        (o, n), access = self.some_range(), self.some_access()
        region, model = self.region, self.model
        self.both(
            f"commit({o}, {n}, {access!r})",
            lambda: region.commit(o, n, access),  # type: ignore[arg-type]
            lambda: model.commit(o, n, access),
        )

    def decommit(self) -> None:
        o, n = self.some_range()
        self.both(
            f"decommit({o}, {n})",
            lambda: self.region.decommit(o, n),
            lambda: self.model.decommit(o, n),
        )

    def protect(self) -> None:
        (o, n), access = self.some_range(), self.some_access()
        region, model = self.region, self.model
        if self.section and "x" in access:  # a mapping may not be executed that was not made so
            access = "r"
        self.both(
            f"protect({o}, {n}, {access!r})",
            lambda: region.protect(o, n, access),  # type: ignore[arg-type]
            lambda: model.protect(o, n, access),
        )

    def discard(self) -> None:
        o, n = self.some_range()
        self.both(
            f"discard({o}, {n})",
            lambda: self.region.discard(o, n),
            lambda: self.model.discard(o, n),
        )

    def restore(self) -> None:
        o, n = self.some_range()
        self.both(
            f"restore({o}, {n})",
            lambda: self.region.restore(o, n),
            lambda: self.model.restore(o, n),
        )

    def system_drops(self) -> None:
        """Drop one discarded page, as the system may. Only where a call for that is at hand."""
        candidates = [i for i, page in enumerate(self.model.pages) if page.discarded]
        if not candidates or sys.platform != "linux":
            return
        i = self.rng.choice(candidates)
        self.steps.append(f"the system drops page {i}")
        libc = ctypes.CDLL(None)
        libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        if libc.madvise(self.region.address + i * PAGE, PAGE, MADV_DONTNEED) == 0:
            self.model.pages[i].dropped = True
            self.model.written.discard(i)  # and with it that it was written: restore() tells

    def take_view(self) -> None:
        o, n = self.some_range()
        region, model, views = self.region, self.model, []

        def take() -> tuple[int, bool]:
            views.append(region.view(o, n))
            return views[0].nbytes, not views[0].readonly

        found = self.both(f"view({o}, {n})", take, lambda: model.view(o, n))
        if views:
            length, writable = found
            last = (o + length - 1) // PAGE
            model.exports.append(Export(views[0], o // PAGE, last, writable))

    def drop_view(self) -> None:
        exports = self.model.exports
        if exports:
            self.steps.append("release a view")
            exports.pop(self.rng.randrange(len(exports))).view.release()

    def write(self) -> None:
        """Write through a new view; through a view that is held, what it shows."""
        model, rng = self.model, self.rng
        pages = [i for i, p in enumerate(model.pages) if p.access in WRITES and not p.discarded]
        if not pages:
            return
        i = rng.choice(pages)
        kind = rng.random()
        data = ZERO if kind < 0.15 else bytes([rng.randrange(256)]) * PAGE
        if kind > 0.6:
            data = rng.randbytes(8) + ZERO[8:]
        self.steps.append(f"write page {i}")
        model.pages[i].guarded = False
        with self.region.view(i * PAGE, PAGE) as view:
            view[:] = data
        shown = model.pages[i].shown
        if shown is None:
            model.pages[i].content = data
        else:
            model.section[shown] = data
        model.written.add(i)

    def guard(self) -> None:
        o, n = self.some_range()
        self.both(
            f"guard({o}, {n})",
            lambda: self.region.guard(o, n),
            lambda: self.model.guard(o, n),
        )

    def touch(self) -> None:
        """Read guarded pages: each is hit once."""
        pages = [i for i, page in enumerate(self.model.pages) if page.guarded]
        for i in self.rng.sample(pages, self.rng.randint(0, len(pages))):
            self.steps.append(f"touch page {i}")
            if i * PAGE in self.region.guard_hits():
                raise Difference(f"page {i} was hit before")
            ctypes.string_at(self.region.address + i * PAGE, 1)
            if i * PAGE not in self.region.guard_hits():
                raise Difference(f"page {i} was not hit")
            self.model.pages[i].guarded = False

    def map(self) -> None:
        """Map a part of the section; pages of it may be shown several times."""
        o, n = self.some_range()
        if self.rng.random() < 0.8:
            o, n = o // UNIT * UNIT, self.rng.randint(1, 3) * UNIT
        section, region, model = self.section, self.region, self.model
        assert section is not None
        first = self.rng.randint(0, len(model.pages) * PAGE // UNIT) * UNIT
        if n is not None and n > region.size:
            return
        self.both(
            f"map(section, {first}, {o}, {n})",
            lambda: region.map(section, first, o, n),
            lambda: model.map(first // PAGE, o, n),
        )

    def lock_or_prefetch(self) -> None:
        name = self.rng.choice(["unlock", "prefetch"])
        if not CAN["prefetch" if name == "prefetch" else "lock"]:
            return
        o, n = self.some_range()
        act = getattr(self.region, name)
        self.both(f"{name}({o}, {n})", lambda: act(o, n), lambda: self.model.readable(o, n))

    def written(self) -> None:
        """A page that was recommitted, protected or dropped may count as written; never too few."""
        reset = self.rng.random() < 0.5
        self.steps.append(f"written({reset})")
        found = outcome(lambda: self.region.written(reset))
        expected = outcome(lambda: self.model.written_ranges(reset))
        if found is StateError or expected is StateError:
            if found is not expected:
                raise Difference(f"written gave {found}, expected {expected}")
            return
        told = {at // PAGE + i for at, n in found for i in range(n // PAGE)}
        wanted = {at // PAGE + i for at, n in expected for i in range(n // PAGE)}
        if not wanted <= told:
            raise Difference(f"written left out the pages {sorted(wanted - told)}")

    def placeholders(self) -> None:
        o, n = self.some_range()
        region, model = self.region, self.model
        if n is not None and self.rng.random() < 0.5 and 0 <= o < region.size:
            # More often than by chance, exactly a piece.
            first = o // PAGE
            while not model.is_edge(first):
                first -= 1
            o, n = first * PAGE, len(model.rest_of_piece(first)) * PAGE
        access = self.rng.choice([None, "rw", "r", "none", "rx"])
        act = self.rng.randrange(4)
        if act == 0:
            self.both(f"split({o})", lambda: region.split(o), lambda: model.split(o))
        elif act == 1:
            self.both(
                f"coalesce({o}, {n})",
                lambda: region.coalesce(o, n),
                lambda: model.coalesce(o, n),
            )
        elif act == 2:
            self.both(
                f"replace({o}, {n}, {access!r})",
                lambda: region.replace(o, n, access=access),  # type: ignore[arg-type]
                lambda: model.replace(o, n, access),
            )
        elif 0 <= o < region.size and model.pages[o // PAGE].state == "mapped":
            preserve = self.rng.random() < 0.7
            self.both(
                f"unmap({o}, {n}, preserve={preserve})",
                lambda: region.unmap(o, n, preserve=preserve),
                lambda: model.unmap_section(o, n, preserve),
            )
        else:
            self.both(
                f"unmap({o}, {n}, preserve=True)",
                lambda: region.unmap(o, n, preserve=True),
                lambda: model.unmap(o, n),
            )

    def force(self) -> None:
        """Force a decommit under views, which are let go without a look at their bytes."""
        o, n = self.some_range()
        model = self.model
        held, model.exports = model.exports, []
        self.both(
            f"decommit({o}, {n}, force=True)",
            lambda: self.region.decommit(o, n, force=True),
            lambda: model.decommit(o, n),
        )
        for export in held:
            export.view.release()

    def query(self) -> None:
        offset = self.rng.randrange(self.region.size)
        run = self.region.query(offset)
        if not run.offset <= offset < run.offset + run.length:
            raise Difference(f"query({offset}) gave {run}")

    def check(self) -> None:
        region, model = self.region, self.model
        found = [(r.offset, r.length, r.state, r.access, r.discarded) for r in region.pages()]
        if found != model.runs():
            raise Difference(f"the runs are {found}, expected {model.runs()}")
        if region.exports != len(model.exports):
            raise Difference(f"{region.exports} exports, expected {len(model.exports)}")
        for i, page in enumerate(model.pages):
            if page.access in READS and not page.discarded and not page.guarded:
                content, expected = (
                    ctypes.string_at(region.address + i * PAGE, PAGE),
                    model.content(i),
                )
                if content != expected:
                    raise Difference(f"page {i} holds {content[:16]!r}, not {expected[:16]!r}")
            elif page.state != "committed" and page.content != ZERO:
                raise Difference("the model is wrong")

    def check_system(self) -> None:
        """Compare the protection with /proc/self/maps."""
        if sys.platform != "linux":
            return
        region = self.region
        found = ["free"] * (region.size // PAGE)
        for line in Path("/proc/self/maps").read_text().splitlines():
            where, access, *_ = line.split()
            start, end = (int(part, 16) for part in where.split("-"))
            first = max(start, region.address)
            for at in range(first, min(end, region.address + region.size), PAGE):
                found[(at - region.address) // PAGE] = access[:3].replace("-", "") or "none"
        for i, page in enumerate(self.model.pages):
            if found[i] != page.access and not page.guarded:
                raise Difference(f"the system has {found[i]} for page {i}, expected {page.access}")

    def run(self) -> None:
        for _ in range(STEPS):
            self.step()
        self.check_system()
        if self.model.exports:
            self.both(
                "release()", self.region.release, lambda: self.model.check_exports(range(1 << 40))
            )
        for export in self.model.exports:
            export.view.release()
        self.region.release()
        if self.section:
            self.section.close()


def main(arguments: list[str] | None = None) -> int:
    """Run rounds for a while; 1 after a difference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=None, help="of the first round")
    parser.add_argument("--rounds", type=int, default=None, help="stop after so many")
    options = parser.parse_args(arguments)
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    end = time.monotonic() + options.seconds
    done = 0
    while time.monotonic() < end and (options.rounds is None or done < options.rounds):
        one = Round(seed + done)
        try:
            one.run()
        except Exception as error:
            print(f"seed {seed + done}: {type(error).__name__}: {error}", file=sys.stderr)
            print("\n".join(one.steps[-40:]), file=sys.stderr)
            for export in one.model.exports:
                export.view.release()
            return 1
        done += 1
    print(f"{done} rounds, {done * STEPS} steps, no difference; first seed {seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
