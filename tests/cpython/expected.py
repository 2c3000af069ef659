"""The tests of CPython that Buffer does not pass, each with the reason: the only such table.

An entry names the module, the test and the interpreters it is about; `test_cpython.py` fails when
one of them passes, so the table cannot go stale. `docs/bytearray-compat.md` shows it to users.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

# Why a test is not passed. Nothing else is accepted.
OWN_NAME = "asserts that the type is called bytearray"
BASE_RESULT = "asserts that a result has the subclass's type; ours are plain bytearray"
EXACT_TYPE = "asks for the exact type, and refuses any subclass of bytearray"
OWN_DICT = "looks a method up in the type's own __dict__; ours is inherited"
GROWS = "asserts BufferError for growth at the end under an export, which a Buffer allows"
FENCED = "resizes through the C API; our storage is fenced against that with BufferError"
ANY_SUBCLASS = "a Python subclass of the built-in fails it as well; the reference run has none"


@dataclass(frozen=True)
class Expected:
    """One test that is known not to pass, and why."""

    module: str
    test: str
    reason: str
    since: tuple[int, int] = (3, 11)
    until: tuple[int, int] = (3, 99)
    kinds: tuple[str, ...] = ("Buffer", "SubBuffer")

    def applies(self, kind: str) -> bool:
        """Return whether the entry is about this interpreter and type."""
        return self.since <= sys.version_info[:2] <= self.until and kind in self.kinds


def _each(module: str, names: str, reason: str, **rest: Any) -> tuple[Expected, ...]:
    return tuple(Expected(module, name, reason, **rest) for name in names.split())


EXPECTED: tuple[Expected, ...] = (
    *_each(
        "test.test_bytes",
        """
        AssortedBytesTest.test_doc
        AssortedBytesTest.test_repr_str
        AssortedBytesTest.test_to_str
        ByteArrayTest.test_check_encoding_errors
        """,
        OWN_NAME,
    ),
    *_each(
        "test.test_bytes",
        """
        ByteArraySubclassTest.test_join
        ByteArraySubclassWithSlotsTest.test_join
        ByteArrayTest.test_imod
        ByteArrayTest.test_mod
        ByteArrayTest.test_translate
        """,
        BASE_RESULT,
    ),
    *_each(
        "test.test_pickle",
        """
        CDumpPickle_LoadPickle.test_bytearray
        CPicklerTests.test_bytearray
        DumpPickle_CLoadPickle.test_bytearray
        InMemoryPickleTests.test_bytearray
        PyPicklerTests.test_bytearray
        """,
        OWN_NAME,
    ),
    *_each(
        "test.test_pickle",
        """
        CDumpPickle_LoadPickle.test_c_methods
        CPicklerTests.test_c_methods
        DumpPickle_CLoadPickle.test_c_methods
        InMemoryPickleTests.test_c_methods
        PyPicklerTests.test_c_methods
        """,
        OWN_DICT,
    ),
    *_each("test.test_pprint", "QueryTestCase.test_bytearray_wrap", OWN_NAME),
    *_each("test.test_bytes", "ByteArrayTest.test_sq_item", ANY_SUBCLASS, kinds=("SubBuffer",)),
    *_each(
        "test.test_buffer",
        "TestPythonBufferProtocol.test_release_buffer_with_exception_set",
        GROWS,
        since=(3, 12),
    ),
    *_each("test.test_capi.test_bytearray", "CAPITest.test_checkexact", EXACT_TYPE, since=(3, 12)),
    *_each("test.test_capi.test_bytearray", "CAPITest.test_resize", FENCED, since=(3, 12)),
    *_each("test.test_re", "ReTests.test_keep_buffer", GROWS),
    *_each(
        "test.test_xmlrpc",
        """
        XMLRPCTestCase.test_dump_bytes
        XMLRPCTestCase.test_dump_load
        XMLRPCTestCase.test_dump_none
        """,
        EXACT_TYPE,
    ),
)
