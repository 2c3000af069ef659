"""Copies and pickles of what a subclass added: `__dict__` and `__slots__`, for Array and Table.

What a reader would get wrong: the contents are no part of this. `copy()` makes those, and here only
what a subclass keeps beside them goes along.
"""

from __future__ import annotations

from typing import Any


def state_of(instance: object, own_slot: str) -> Any:
    """Return what a subclass has added, as pickle and copy want it.

    Parameters
    ----------
    instance : object
        An Array or a Table.
    own_slot : str
        The name of the slot that is the class's own, and stays behind.
    """
    state = object.__getstate__(instance)
    if not isinstance(state, tuple):
        return state
    attributes, slots = state
    kept = {name: value for name, value in (slots or {}).items() if name != own_slot}
    return (attributes, kept) if kept else attributes


def set_state(instance: Any, state: Any) -> None:
    """Do what pickle does with the result of __getstate__."""
    if state is None:
        return
    if hasattr(instance, "__setstate__"):
        instance.__setstate__(state)
        return
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    if attributes:
        instance.__dict__.update(attributes)
    for name, value in (slots or {}).items():
        setattr(instance, name, value)
