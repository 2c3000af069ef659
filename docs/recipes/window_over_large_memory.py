"""A small window that moves over memory much larger than itself, without copying a byte.

What Windows calls a window onto physical pages (MEM_PHYSICAL, AWE): the memory is a Section, the
window a Region of one placeholder. No page is copied. Shown here:

* 64 MiB of records, looked at through a window of 1 MiB that always stands at the same address;
* what is written through the window is in the memory when it has moved on;
* two windows on the same place show the same bytes.

    python docs/recipes/window_over_large_memory.py
"""

from __future__ import annotations

import struct

import growable
from growable import Region, Section

WINDOW = 1 << 20
MEMORY = 64 << 20


def main() -> None:
    if not growable.capabilities()["section_map"]:
        print("this system has no placeholders to map a section over")
        return
    memory = Section(MEMORY)
    window = Region(WINDOW, placeholder=True)
    for number, at in enumerate(range(0, MEMORY, WINDOW)):
        window.map(memory, at)
        with window.view() as view:
            struct.pack_into("<q", view, 0, number)
        window.unmap(0, WINDOW, preserve=True)
    print(f"{MEMORY >> 20} MiB written through {WINDOW >> 20} MiB at {window.address:#x}")

    whole = memory.view(access="r")
    found = [struct.unpack_from("<q", whole, at)[0] for at in range(0, MEMORY, WINDOW)]
    assert found == list(range(MEMORY // WINDOW))

    other = Region(WINDOW, placeholder=True)
    window.map(memory, 8 * WINDOW)
    other.map(memory, 8 * WINDOW)
    window.view()[-1] = 7
    assert other.view()[-1] == 7
    print("two windows on one place show the same bytes")


if __name__ == "__main__":
    main()
