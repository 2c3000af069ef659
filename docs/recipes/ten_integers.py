"""Reserve and commit memory for ten integers, use it, decommit it, release it.

The four steps of VirtualAlloc and VirtualFree, each with the page map that follows from it.
Reserved pages are addresses and cost no memory; committed ones have zeroed memory behind them;
decommitted ones are addresses again, and what was in them is gone.

    python docs/recipes/ten_integers.py
"""

from __future__ import annotations

import struct

import growable
from growable import Region

COUNT = 10
BYTES = COUNT * struct.calcsize("i")


def main() -> None:
    region = Region(BYTES, name="ten integers")
    print(f"reserved: {BYTES} bytes asked for, {region.size} got, since pages are whole")
    print(region.pages())
    try:
        region.view(0, BYTES)
    except growable.StateError as error:
        print("not yet usable:", error)

    region.commit()
    with region.view(0, BYTES) as view, view.cast("i") as numbers:
        assert numbers.tolist() == [0] * COUNT
        for i in range(COUNT):
            numbers[i] = i * i
        print("\ncommitted and used:", numbers.tolist())
        print(region.pages())
        try:
            region.decommit()
        except BufferError as error:
            print("not while somebody looks at it:", error)

    region.decommit()
    print("\ndecommitted: the memory is given back, the addresses are kept")
    print(region.pages())
    region.commit()
    with region.view(0, BYTES) as view:
        assert bytes(view) == bytes(BYTES)
    print("committed anew, it is zero")

    region.release()
    print(f"\nreleased: {region!r}")


if __name__ == "__main__":
    main()
