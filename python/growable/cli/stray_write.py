"""The process of ``growable demo --pages`` that writes where it should not, as a faulty library.

What a reader would get wrong: that it dies is what is wanted. So it leaves no core file, and no
report of faulthandler.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import sys
from typing import Any

from growable._core import Region

TABLE = bytes(range(256))
AT = 7


def make_table() -> Region:
    """Return a Region that begins with the table, and may be written."""
    region = Region(len(TABLE), commit=True, name="table")
    region.view(0, len(TABLE))[:] = TABLE
    return region


def child() -> int:
    """Carry out the plan on stdin, and print what became of the table, if anything is left to."""
    plan: dict[str, Any] = json.load(sys.stdin)
    _die_quietly()
    region = make_table()
    if plan["protected"]:
        region.protect(0, None, "r")
    refused = ""
    try:
        ctypes.memset(region.address + AT, 0xFF, 1)
    except OSError as error:  # where ctypes turns the fault into an exception
        refused = str(error)
    intact = bytes(region.view(0, len(TABLE))) == TABLE
    print(json.dumps({"result": {"intact": intact, "refused": refused}}), flush=True)
    return 0


def _die_quietly() -> None:
    faulthandler.disable()
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
