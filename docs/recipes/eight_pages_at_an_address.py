"""Reserve eight pages at 0x40000000, and report success or failure.

With address= a Region stands there or not at all. Where something else has one of the pages, it is
a ReservationError whose `limit` is "address", and nothing has changed.

    python docs/recipes/eight_pages_at_an_address.py
    python docs/recipes/eight_pages_at_an_address.py 0x50000000
"""

from __future__ import annotations

import sys

import growable
from growable import Region

ADDRESS = 0x40000000
PAGES = 8


def reserve_at(address: int) -> Region | None:
    """Reserve there and say so, or say why not."""
    try:
        region = Region(PAGES * growable.info()["page_size"], address=address)
    except growable.ReservationError as error:
        print(f"{address:#x}: failed. {error}")
        return None
    print(f"{address:#x}: reserved. {region!r}")
    return region


def main() -> None:
    address = int(sys.argv[1], 0) if len(sys.argv) > 1 else ADDRESS
    region = reserve_at(address)
    if region is None:
        region = Region(PAGES * growable.info()["page_size"])  # wherever there is room
        print(f"elsewhere: {region!r}")

    # Where it is now, nothing else can be.
    assert reserve_at(region.address) is None
    place = region.address
    region.release()
    again = reserve_at(place)
    if again is not None:  # nobody was quicker
        again.release()


if __name__ == "__main__":
    main()
