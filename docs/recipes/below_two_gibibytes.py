"""Memory below 2 GiB, aligned: addresses that fit in 31 bits, as old formats and devices want.

What VirtualAlloc2 calls address requirements: `highest=` is the last byte allowed, `alignment=` a
power of two. `lowest=` and `top_down=` go with them.

    python docs/recipes/below_two_gibibytes.py
"""

from __future__ import annotations

import struct

import growable
from growable import Region

LIMIT = 1 << 31
SIZE = 1 << 20
ALIGNMENT = 1 << 21


def main() -> None:
    try:
        region = Region(SIZE, highest=LIMIT - 1, alignment=ALIGNMENT, commit=True)
    except growable.ReservationError as error:
        print("nothing to be had below 2 GiB:", error)  # always so for 64-bit programs on macOS
        return
    assert region.address % ALIGNMENT == 0
    assert region.address + region.size <= LIMIT
    print(f"{SIZE >> 10} KiB at {region.address:#x}, below {LIMIT:#x}")

    pointer = struct.pack("<i", region.address)  # fits in a signed 32-bit field
    assert struct.unpack("<i", pointer)[0] == region.address
    with region.view() as view:
        view[:5] = b"hello"

    low = Region(SIZE, lowest=LIMIT // 2, highest=LIMIT - 1, top_down=True)
    print(f"and in the upper half of that, as high as possible: {low.address:#x}")
    assert LIMIT // 2 <= low.address < LIMIT
    low.release()
    region.release()


if __name__ == "__main__":
    main()
