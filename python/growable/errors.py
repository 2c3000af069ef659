"""The exceptions of the package. They are made in C and re-exported here.

Every one of them is a :class:`GrowableError`, and also the built-in exception that code written
for ``bytearray`` already catches:

======================  ===============  =========================================================
exception               is also a        raised when
======================  ===============  =========================================================
:class:`GrowableError`  ``Exception``    (the base of the others)
ReservationError        ``MemoryError``  the system refused a range of addresses
CommitError             ``MemoryError``  the system refused memory for pages that were reserved
CapacityError           ``MemoryError``  growing would pass the capacity that may not be passed
StateError              ``ValueError``   the object was released or frozen
UnsupportedError        ``OSError``      this system lacks what was asked for
======================  ===============  =========================================================

Where ``bytearray`` raises a built-in exception with a given message, ``Buffer`` raises that one.

Attributes
----------
operation : str or None
    What was tried, such as ``"reserve"`` or ``"commit"``.
requested : int or None
    What was asked for, where a size took part: bytes, but rows where an `Array` or a `Table` raises
    CapacityError.
limit : str or None
    The name of the limit that was hit, such as ``"RLIMIT_AS"``, where it is known.
error_code : int or None
    The system's own error code, where a system call failed.
"""

from __future__ import annotations

from growable._core import (
    CapacityError,
    CommitError,
    GrowableError,
    ReservationError,
    StateError,
    UnsupportedError,
)

__all__ = [
    "CapacityError",
    "CommitError",
    "GrowableError",
    "ReservationError",
    "StateError",
    "UnsupportedError",
]
