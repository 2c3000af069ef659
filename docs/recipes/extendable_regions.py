"""Regions that can always be extended, and never move.

Two ways:

* Keep the addresses first: one large placeholder, whose beginning is replaced piece by piece by
  memory. Nobody else can get in between. Addresses cost nothing, so ask for plenty.
* Reserve the next addresses when they are needed, with address=. This works as long as nobody
  else has them; when somebody has, one is told, and has to move or to go on elsewhere.

    python docs/recipes/extendable_regions.py
"""

from __future__ import annotations

import ctypes

import growable
from growable import Region

PIECE = 1 << 20


def with_addresses_kept() -> None:
    """Replace a placeholder piece by piece."""
    if not growable.capabilities()["placeholder"]:
        print("this system has no placeholders")
        return
    region = Region(1 << 30, placeholder=True, name="kept")
    end = 0
    for _ in range(3):
        region.split(end + PIECE)
        region.replace(end, PIECE)  # private memory, committed
        end += PIECE
    with region.view(0, end) as whole:  # one view over all pieces
        whole[PIECE - 2 : PIECE + 3] = b"12345"
        print(f"three pieces of 1 GiB that is kept, one view of {len(whole)} bytes")
    print(region.pages())
    region.release()


def free_addresses(size: int) -> int:
    """Return an address after which so many are free at the moment."""
    with Region(size) as region:
        return region.address


def extend(pieces: list[Region]) -> bool:
    """Add a piece right behind the last one; return False when somebody else is there."""
    end = pieces[-1].address + pieces[-1].size
    try:
        pieces.append(Region(PIECE, commit=True, address=end))
    except growable.ReservationError as error:
        if error.limit != "address":
            raise  # no memory, or no addresses at all
        print("cannot go on here:", error)
        return False
    return True


def copy_of(pieces: list[Region], size: int) -> Region:
    """Return one larger Region elsewhere that begins with the same bytes."""
    moved = Region(size, commit=True)
    at = 0
    for piece in pieces:
        moved.view(at, piece.size)[:] = piece.view()
        at += piece.size
    return moved


def by_adjoining() -> None:
    """Reserve what comes next, until somebody else has it."""
    pieces = [Region(PIECE, commit=True, address=free_addresses(64 * PIECE))]
    while len(pieces) < 4 and extend(pieces):
        pass
    start, size = pieces[0].address, PIECE * len(pieces)
    print(f"{len(pieces)} regions side by side at {start:#x}: {size} bytes without a gap")

    # A view belongs to one Region. Code that is given an address may go across.
    ctypes.memset(start, ord("x"), size)
    assert all(bytes(piece.view(0, 1)) == b"x" for piece in pieces)

    in_the_way = Region(PIECE, address=start + size)
    assert not extend(pieces)
    moved = copy_of(pieces, size + PIECE)
    print(f"copied to {moved.address:#x}, with room for one more")
    for region in (*pieces, in_the_way, moved):
        region.release()


if __name__ == "__main__":
    with_addresses_kept()
    by_adjoining()
