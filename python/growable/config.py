"""The defaults in force: setting them, reading them, and what the system allows.

Settings come from the environment when the package is imported and from :func:`set_defaults`
afterwards. They take effect for storage that is reserved later; a live buffer keeps what it has.
"""

from __future__ import annotations

import operator
import os
import re
import sys
import threading
from collections.abc import Mapping
from typing import Literal, SupportsIndex, TypeAlias, TypedDict

from growable import _core

__all__ = ["capabilities", "info", "parse_size", "set_defaults", "trim"]

HugePages: TypeAlias = Literal["auto"] | bool

RESERVATION_VARIABLE = "GROWABLE_RESERVATION"
POOL_BUDGET_VARIABLE = "GROWABLE_POOL_BUDGET"
POOL_LIMIT_VARIABLE = "GROWABLE_POOL_LIMIT"
HUGE_PAGES_VARIABLE = "GROWABLE_HUGE_PAGES"
PREFAULT_VARIABLE = "GROWABLE_PREFAULT"
LATENCY_VARIABLE = "GROWABLE_LATENCY"


class Limits(TypedDict):
    """Limits of the system on this process; None where there is none."""

    address_space: int | None
    data: int | None
    mappings: int | None
    locked: int | None


class Defaults(TypedDict):
    """The settings in force."""

    reservation: int
    pool_budget: int
    pool_limit: int
    huge_pages: HugePages
    prefault: Literal["off", "ahead", "background"]
    latency: Literal["normal", "low"]


class Pool(TypedDict):
    """Reservations alive in this process, and those that wait to be used again."""

    reservations: int
    reserved_bytes: int
    pooled: int
    pooled_bytes: int
    discarded_bytes: int


class Info(TypedDict):
    """What :func:`info` returns."""

    version: str
    platform: str
    page_size: int
    granularity: int
    huge_page_size: int
    large_page_sizes: list[int]
    numa_nodes: int
    thp: str
    overcommit: str
    limits: Limits
    defaults: Defaults
    pool: Pool


_UNITS = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgtp", start=1):
    _UNITS[f"{_letter}b"] = 1000**_power
    _UNITS[f"{_letter}ib"] = 1024**_power

_SIZE = re.compile(r"([0-9]{1,30})(?:\.([0-9]{1,30}))? ?([A-Za-z]*)")
_SIZE_FORMS = 'bytes as an int, or text such as "65536", "10MB" or "64GiB"'

_SWITCHES: dict[str, HugePages] = {
    "auto": "auto",
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}

_CHOICES = {"prefault": ("off", "ahead", "background"), "latency": ("normal", "low")}

_lock = threading.RLock()  # A signal handler may come back here.


def parse_size(value: str | SupportsIndex, what: str = "size", *, minimum: int = 0) -> int:
    """Turn a size in bytes, or text with a unit, into a number of bytes.

    Parameters
    ----------
    value : str or int
        Bytes, or text: a number and B, kB, MB, GB, TB, PB (powers of 1000) or KiB, MiB, GiB, TiB,
        PiB (powers of 1024), in any case. "1.5GiB" is fine as long as whole bytes come out.
    what : str
        What the size is for; the error names it.
    minimum : int
        The smallest size that is accepted.

    Raises
    ------
    TypeError
        When `value` is neither text nor an integer. A bool is refused: it is likely a mistake.
    ValueError
        When the text is no size, or the size is too small or more than this machine can address.
    """
    size = _parse_size_text(value, what) if isinstance(value, str) else _index(value, what)
    if not minimum <= size <= sys.maxsize:
        raise ValueError(f"{what} must be from {minimum} to {sys.maxsize} bytes, not {value!r}")
    return size


def _index(value: SupportsIndex, what: str) -> int:
    if isinstance(value, bool) or not hasattr(type(value), "__index__"):
        raise TypeError(f"{what} must be {_SIZE_FORMS}, not {type(value).__name__}")
    return operator.index(value)


def _parse_size_text(text: str, what: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    unit = _UNITS.get(match[3].lower()) if match else None
    if match is None or unit is None:
        raise ValueError(f"{what} must be {_SIZE_FORMS}, not {text!r}")
    whole, decimals = match[1], match[2] or ""
    scale: int = 10 ** len(decimals)
    size, rest = divmod(int(whole + decimals) * unit, scale)
    if rest:
        raise ValueError(f"{what} must be a whole number of bytes, not {text!r}")
    return size


def _parse_huge_pages(value: str | bool, what: str) -> bool | None:
    """Return True, False, or None for "auto"."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise TypeError(f'{what} must be "auto", True or False, not {type(value).__name__}')
    if value != "auto":
        raise ValueError(f'{what} must be "auto", True or False, not {value!r}')
    return None


def _read_switch(text: str, what: str) -> HugePages:
    try:
        return _SWITCHES[text.strip().lower()]
    except KeyError:
        raise ValueError(
            f"{what} must be auto, or one of 1, true, yes, on, or one of 0, false, no, off; "
            f"not {text!r}"
        ) from None


def _parse_choice(value: str, name: str, what: str) -> str:
    accepted = ", ".join(f'"{choice}"' for choice in _CHOICES[name])
    if not isinstance(value, str):
        raise TypeError(f"{what} must be one of {accepted}, not {type(value).__name__}")
    if value not in _CHOICES[name]:
        raise ValueError(f"{what} must be one of {accepted}, not {value!r}")
    return value


def set_defaults(
    *,
    reservation: str | SupportsIndex | None = None,
    pool_budget: str | SupportsIndex | None = None,
    pool_limit: str | SupportsIndex | None = None,
    huge_pages: HugePages | None = None,
    prefault: Literal["off", "ahead", "background"] | None = None,
    latency: Literal["normal", "low"] | None = None,
) -> None:
    """Change the defaults of this process. What is left out, or None, stays as it is.

    Nothing is changed unless every argument is valid.

    Parameters
    ----------
    reservation : str or int, optional
        How many bytes of addresses to reserve for a buffer without ``capacity=``.
        Addresses are not memory; see :doc:`memory-model`.
    pool_budget : str or int, optional
        How many bytes of memory may stay in released reservations that wait to be used again.
        0 keeps none.
    pool_limit : str or int, optional
        How many bytes may stay there in all. What is over the budget and stands in huge pages is
        offered to the system, which takes it when memory is short (MADV_FREE, Linux 4.5); what is
        over the limit is given back at once. A limit up to the budget offers nothing.
    huge_pages : "auto" or bool, optional
        Whether buffers ask for huge pages when they are made without ``huge_pages=``.
    prefault : "off", "ahead" or "background", optional
        Who puts memory behind pages that are about to be written. "off": each page gets it when it
        is first written. "ahead": the writer asks for some pages at a time, where they are small.
        "background": a helper thread of the process does it ahead of the writers; that pays where a
        processor is idle. See :doc:`memory-model`.
    latency : "normal" or "low", optional
        "low": no huge pages, whose first write takes hundreds of microseconds, and small steps, so
        that the slowest append is fast. Large buffers are filled more slowly.

    Raises
    ------
    TypeError, ValueError
        When an argument is not valid; the message names it and says what is accepted.
    """
    sizes = {"reservation": reservation, "pool_budget": pool_budget, "pool_limit": pool_limit}
    choices = {"prefault": prefault, "latency": latency}
    _apply(sizes, huge_pages, choices, {name: name for name in (*sizes, "huge_pages", *choices)})


def _apply(
    sizes: Mapping[str, str | SupportsIndex | None],
    huge_pages: HugePages | None,
    choices: Mapping[str, str | None],
    shown: Mapping[str, str],
) -> None:
    """Check all of them under the names their giver knows, then set them together."""
    # Not under the lock: an __index__ may do anything.
    new_sizes = {
        name: parse_size(size, shown[name], minimum=1 if name == "reservation" else 0)
        for name, size in sizes.items()
        if size is not None
    }
    if huge_pages is not None:
        _parse_huge_pages(huge_pages, shown["huge_pages"])
    chosen = {
        name: _parse_choice(choice, name, shown[name])
        for name, choice in choices.items()
        if choice is not None
    }
    with _lock:
        current = _defaults()
        switch = current["huge_pages"] if huge_pages is None else huge_pages
        _core.configure(
            new_sizes.get("reservation", current["reservation"]),
            new_sizes.get("pool_budget", current["pool_budget"]),
            new_sizes.get("pool_limit", current["pool_limit"]),
            _parse_huge_pages(switch, shown["huge_pages"]),
            chosen.get("prefault", current["prefault"]),
            chosen.get("latency", current["latency"]),
        )


def apply_environment(environment: Mapping[str, str] | None = None) -> None:
    """Take the defaults from the ``GROWABLE_*`` variables. An empty one counts as not set.

    Parameters
    ----------
    environment : mapping of str to str, optional
        Where to look; the environment of the process when left out.

    Raises
    ------
    ValueError
        When a variable is not valid; the message names it. Nothing is changed then.
    """
    found = os.environ if environment is None else environment
    shown = {
        "reservation": RESERVATION_VARIABLE,
        "pool_budget": POOL_BUDGET_VARIABLE,
        "pool_limit": POOL_LIMIT_VARIABLE,
        "huge_pages": HUGE_PAGES_VARIABLE,
        "prefault": PREFAULT_VARIABLE,
        "latency": LATENCY_VARIABLE,
    }
    texts = {name: found.get(variable, "").strip() or None for name, variable in shown.items()}
    if not any(texts.values()):
        return
    switch = texts.pop("huge_pages")
    chosen = {name: texts.pop(name) for name in _CHOICES}
    choices = {name: text and text.lower() for name, text in chosen.items()}
    _apply(
        texts,
        None if switch is None else _read_switch(switch, HUGE_PAGES_VARIABLE),
        choices,
        shown,
    )


def trim() -> int:
    """Release the reservations that wait to be used again, and the memory in them.

    Live buffers are not touched. Nothing needs this: what waits keeps to the limits of
    :func:`set_defaults`, and goes by itself when memory is refused, or when it has not been wanted
    while a thousand others came and went.

    Returns
    -------
    int
        The bytes of memory that were in them.
    """
    return _core.trim()


def _defaults() -> Defaults:
    found = _core.query()["defaults"]
    huge_pages = found["huge_pages"]
    return {
        "reservation": found["reservation"],
        "pool_budget": found["pool_budget"],
        "pool_limit": found["pool_limit"],
        "huge_pages": "auto" if huge_pages is None else huge_pages,
        "prefault": found["prefault"],
        "latency": found["latency"],
    }


def package_version() -> str:
    """Return the version of the installed package, or ``"0+unknown"`` when it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("growable")
    except PackageNotFoundError:
        return "0+unknown"


def info() -> Info:
    """Return the facts of this system and the defaults in force, as read now.

    Returns
    -------
    dict
        ``version``, ``platform``, ``page_size``, ``granularity``, ``huge_page_size`` (0 where
        there are none), ``large_page_sizes`` (for ``Region(page_size=)``), ``numa_nodes``,
        ``thp``, ``overcommit``, ``limits`` (``address_space``, ``data``, ``mappings``,
        ``locked``; None where there is no limit), ``defaults`` (``reservation``,
        ``pool_budget``, ``pool_limit``, ``huge_pages``, ``prefault``, ``latency``) and ``pool``
        (``reservations``, ``reserved_bytes``, ``pooled``, ``pooled_bytes``,
        ``discarded_bytes``). The dict is the caller's own.
    """
    import sysconfig  # Here, not above: it is slow to import.

    found = _core.query()
    return {
        "version": package_version(),
        "platform": sysconfig.get_platform(),
        "page_size": found["page_size"],
        "granularity": found["granularity"],
        "huge_page_size": found["huge_page_size"],
        "large_page_sizes": found["large_page_sizes"],
        "numa_nodes": found["numa_nodes"],
        "thp": found["thp"],
        "overcommit": found["overcommit"],
        "limits": found["limits"],
        "defaults": _defaults(),
        "pool": found["pool"],
    }


def capabilities() -> dict[str, bool]:
    """Return what this system can do, by name.

    What is False here raises :class:`growable.UnsupportedError` where it is asked for by name,
    and is left out where it would only have made things faster.
    """
    _core.probe()
    return {**_core.query()["capabilities"], **_core.section_capabilities()}
