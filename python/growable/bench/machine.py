"""Where the figures come from, without the names of hosts, users and folders."""

from __future__ import annotations

import os
import platform
import re
import sysconfig
from pathlib import Path
from typing import Any

import growable
from growable.bench.contestants import versions
from growable.bench.memory import total_memory
from growable.bench.runner import turns_share_processor

__all__ = ["describe", "load"]

_OPTIMISATIONS = {"PGO": "--enable-optimizations", "LTO": "--with-lto"}


def describe() -> dict[str, Any]:
    """Return what a reader of figures must know about the machine."""
    found = growable.info()
    return {
        "growable": found["version"],
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "python_build": _build(),
        "packages": versions(),
        "system": f"{platform.system()} {_release()} {platform.machine()}",
        "libc": " ".join(platform.libc_ver()).strip(),
        "processor": _processor(),
        "virtual_machine": _is_virtual(),
        "processors": os.cpu_count(),
        "turns_share_processor": turns_share_processor(),
        "memory": total_memory(),
        "page_size": found["page_size"],
        "huge_page_size": found["huge_page_size"],
        "thp": found["thp"],
        "overcommit": found["overcommit"],
        "defaults": dict(found["defaults"]),
    }


def load() -> float | None:
    """Return how many processes wanted a processor in the last minute, or None."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def _build() -> str:
    # What bytearray was compiled with. The other arguments are folders. Distributors may optimise
    # without these (Debian does), so that their absence tells of the configuration alone.
    arguments = str(sysconfig.get_config_var("CONFIG_ARGS") or "")
    found = [name for name, option in _OPTIMISATIONS.items() if option in arguments]
    if found:
        return f"built with {' and '.join(found)}"
    return "configured without PGO and LTO" if arguments else "that does not tell how it was built"


def _release() -> str:
    # What follows the numbers may be anything, the name of a builder's machine included.
    found = re.match(r"[0-9.]+", platform.release())
    return found[0].rstrip(".") if found else ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _processor() -> str:
    found = re.search(r"^(?:model name|Model)\s*: *(.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    return found[1].strip() if found else platform.processor()


def _is_virtual() -> bool | None:
    text = _read("/proc/cpuinfo")
    return bool(re.search(r"^flags\s*:.*\bhypervisor\b", text, re.MULTILINE)) if text else None
