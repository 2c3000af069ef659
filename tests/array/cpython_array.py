"""Run CPython's own tests of array.array on Array, through a thin adapter.

The adapter gives an Array the names and the argument order of array.array where it has the same
operation under another name, and makes it compare as a whole. It does not give it operations that it
lacks: tests of those are listed in NOT_ARRAYS with what an Array does instead.
"""

from __future__ import annotations

import importlib
import io
import operator
import types
import unittest
from collections.abc import Callable
from typing import Any

import numpy as np
from growable import Array

CODES = "bBhHiIlLqQfd"

# Tests of what an Array has not, or does in NumPy's way.
NOT_ARRAYS = {
    "test_add": "a + b adds the rows, as ndarrays do",
    "test_iadd": "a += b adds the rows, as ndarrays do",
    "test_mul": "a * n multiplies the rows, as ndarrays do",
    "test_imul": "a *= n multiplies the rows, as ndarrays do",
    "test_cmp": "compares with the results of a + b and a * n",
    "test_assignment": "a slice is assigned without a change of the length, as of an ndarray",
    "test_setslice": "a slice is assigned without a change of the length, as of an ndarray",
    "test_setitem": "a[0] = None is NaN, as for an ndarray",
    "test_type_error": "a[0] = 1.5 is cut to 1, as for an ndarray",
    "test_extend": "rows of another dtype are cast where nothing is lost but precision",
    "test_frombytearray": "signed rows are not cast to unsigned ones",
    "test_bytes_extend": "bytes are one value to NumPy; extend by a bytearray or a memoryview",
    "test_buffer": "append and extend work under a view",
    "test_byteswap": "there is no byteswap; take view().byteswap(inplace=True)",
    "test_count": "there is no count; take (a == x).sum()",
    "test_index": "there is no index; take np.flatnonzero(a == x)",
    "test_remove": "there is no remove",
    "test_reverse": "there is no reverse; take a[:] = a[::-1].copy()",
    "test_reduce_ex": "what pickle calls is ours",
    "test_repr": "the repr is an ndarray's, with length and capacity",
    "test_sizeof_with_buffer": "what is committed is counted too",
    "test_sizeof_without_buffer": "what is committed is counted too",
    "test_subclassing": "the adapter is a Python class, so its instances have attributes",
    "test_immutable": "the adapter is a Python class, so it can be changed",
    "test_disallow_instantiation": "the adapter's iterator is a Python class",
    "test_alloc_overflow": "a *= n multiplies the rows, as ndarrays do",
    "test_array_is_sequence": "it has no index, count, remove and reverse",
    "test_initialize_with_unicode": "there is no type code u",
    "test_numbers": "calls array.array's own helper of pickle",
    "test_unicode": "calls array.array's own helper of pickle",
    "test_error": "calls array.array's own helper of pickle",
}
if int(np.__version__.split(".")[0]) < 2:
    NOT_ARRAYS["test_overflow"] = "a[0] = 300 of bytes only warns before NumPy 2"
NOT_OUR_CLASSES = {
    "UCS4Test": "there is no type code w; the dtype U has fixed sizes",
    "UnicodeTest": "there is no type code u; the dtype U has fixed sizes",
    "LargeArrayTest": "builds its arrays with a * n",
}


def _compare(act: Callable[[Any, Any], bool]) -> Callable[[Any, Any], Any]:
    def compare(self: AsArray, other: object) -> Any:
        if not isinstance(other, AsArray):
            return NotImplemented
        return act(self.tolist(), other.tolist())

    return compare


class AsArray(Array):
    """An Array under the names of array.array."""

    def __new__(cls, *args: Any, **kwargs: Any) -> AsArray:
        if kwargs and cls is AsArray:
            raise TypeError("array.array() takes no keyword arguments")
        if not 1 <= len(args) <= 2:
            raise TypeError("array() takes 1 or 2 arguments")
        code, *sources = args
        if not isinstance(code, str) or len(code) != 1:
            raise TypeError("array() argument 1 must be a unicode character")
        if code not in CODES:
            raise ValueError("bad typecode")
        self = super().__new__(cls, dtype=code)
        self._code = code
        for source in sources:
            self._fill(source)
        return self

    def _fill(self, source: Any) -> None:
        if isinstance(source, bytes | bytearray):
            self.frombytes(source)
        elif isinstance(source, str):
            raise TypeError("cannot use a str to initialize an array")
        else:
            self.extend(source)

    @property
    def typecode(self) -> str:
        return self._code

    def buffer_info(self) -> tuple[int, int]:
        return self.address, len(self)

    def fromlist(self, rows: list[Any]) -> None:
        if not isinstance(rows, list):
            raise TypeError("arg must be list")
        self.extend(rows)

    def frombytes(self, content: Any) -> None:
        with memoryview(content) as view:
            if view.itemsize != 1:
                raise TypeError("a bytes-like object is required")
            if view.nbytes % self.itemsize:
                raise ValueError("bytes length not a multiple of item size")
            self.read_from(io.BytesIO(view))

    def tofile(self, file: Any) -> None:  # type: ignore[override]
        file.write(self)

    def fromfile(self, file: Any, n: int) -> None:
        if n < 0:
            raise ValueError("negative count")
        size = n * self.itemsize
        content = file.read(size)
        if not isinstance(content, bytes):
            raise TypeError("read() didn't return bytes")
        whole = len(content) - len(content) % self.itemsize
        self.frombytes(content[:whole])
        if len(content) < size:
            raise EOFError("read() didn't return enough bytes")

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return AsArray(self._code, super().__getitem__(index).tolist())
        return super().__getitem__(operator.index(index)).item()

    def __iter__(self) -> Any:
        return AsIterator(self)

    def pop(self, index: int = -1) -> Any:  # type: ignore[override]
        return super().pop(index).item()

    def __bool__(self) -> bool:
        return len(self) > 0

    __eq__ = _compare(operator.eq)  # type: ignore[assignment]
    __ne__ = _compare(operator.ne)  # type: ignore[assignment]
    __lt__ = _compare(operator.lt)
    __le__ = _compare(operator.le)
    __gt__ = _compare(operator.gt)
    __ge__ = _compare(operator.ge)
    __hash__ = None  # type: ignore[assignment]


class AsIterator:
    """What iterates by index, as array's own iterator does."""

    def __init__(self, rows: AsArray) -> None:
        self.rows, self.at = rows, 0

    def __iter__(self) -> AsIterator:
        return self

    def __next__(self) -> Any:
        if self.rows is None or self.at >= len(self.rows):
            self.rows = None
            raise StopIteration
        self.at += 1
        return self.rows[self.at - 1]


def load() -> types.ModuleType:
    """Import the tests, with `array.array` and the subclass in them standing for ours."""
    module = importlib.import_module("test.test_array")
    module.array = types.SimpleNamespace(  # type: ignore[attr-defined]
        array=AsArray, ArrayType=AsArray, typecodes=CODES
    )
    module.typecodes = CODES  # type: ignore[attr-defined]

    class ArraySubclass(AsArray):
        pass

    class ArraySubclassWithKwargs(AsArray):
        def __new__(cls, typecode: str, newarg: Any = None) -> AsArray:
            return super().__new__(cls, typecode)

    for kind in (ArraySubclass, ArraySubclassWithKwargs):
        kind.__module__, kind.__qualname__ = module.__name__, kind.__name__
        setattr(module, kind.__name__, kind)
    return module


def run(module: types.ModuleType) -> dict[str, str]:
    """Return for each test its outcome: 'pass', 'skip' or what went wrong."""
    outcomes: dict[str, str] = {}

    class Result(unittest.TestResult):
        def addSuccess(self, test: Any) -> None:
            outcomes.setdefault(name_of(test), "pass")

        def addSkip(self, test: Any, reason: str) -> None:
            outcomes[name_of(test)] = "skip"

        def addFailure(self, test: Any, err: Any) -> None:
            outcomes[name_of(test)] = self._exc_info_to_string(err, test)

        def addError(self, test: Any, err: Any) -> None:
            self.addFailure(test, err)

        def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
            if err is not None:
                self.addFailure(test, err)

    def name_of(test: Any) -> str:
        return ".".join(test.id().split(".")[-2:])

    unittest.defaultTestLoader.loadTestsFromModule(module).run(Result())
    return outcomes


def is_ours(test: str) -> bool:
    """Return whether both have the operation that is tested."""
    kind, method = test.split(".")
    return kind not in NOT_OUR_CLASSES and method not in NOT_ARRAYS
