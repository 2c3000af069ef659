"""A ring buffer from placeholders: the same pages twice, side by side, so nothing ever wraps.

Addresses for both halves are reserved as one placeholder and split in two; then each half is
replaced by the same pages of a Section. In between nobody else can take the place, as could happen
if two free addresses were looked for.

`growable.RingBuffer` is this with indices, views and waiting, between threads and processes.

    python docs/recipes/ring_from_placeholders.py
"""

from __future__ import annotations

import growable
from growable import Region, RingBuffer, Section

HALF = 1 << 16  # a multiple of the granularity everywhere


def make_ring(section: Section) -> Region:
    """Return a Region that shows the section twice."""
    region = Region(2 * HALF, placeholder=True, name="ring")
    print(region.pages())
    region.split(HALF)
    region.replace(0, HALF, section)
    region.replace(HALF, HALF, section)
    print(region.pages())
    return region


def use_ring(region: Region) -> None:
    """Send messages through it that together are many times its size, with no care for its end."""
    written = 0
    with region.view() as both:
        for number in range(100_000):
            message = f"message {number}\n".encode()
            at = written % HALF
            both[at : at + len(message)] = message  # across the end too: one piece
            assert both[at : at + len(message)] == message
            written += len(message)
        assert both[:HALF] == both[HALF:]
    print(f"{written} bytes went through a ring of {HALF}, each message in one piece")


def take_apart(region: Region) -> None:
    """Make one placeholder of it again, and release that."""
    region.unmap(0, HALF, preserve=True)
    region.unmap(HALF, HALF, preserve=True)
    region.coalesce(0, 2 * HALF)
    print(region.pages())
    region.release()


def main() -> None:
    if not growable.capabilities()["section_map"]:
        print("this system has no placeholders to map a section over")
        return
    section = Section(HALF)
    region = make_ring(section)
    with region.view() as both:
        both[HALF - 2 : HALF + 3] = b"12345"
        assert bytes(both[:3]) == b"345"
    use_ring(region)
    take_apart(region)

    with RingBuffer(HALF) as ring:  # the same, ready-made
        ring.write(b"12345")
        assert ring.read(5) == b"12345"


if __name__ == "__main__":
    main()
