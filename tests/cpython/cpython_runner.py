"""Run one module of CPython's own tests with the name `bytearray` bound to another type.

    python cpython_runner.py MODULE KIND REPORT [--all] [--skip ID]...

KIND is `builtin`, `Buffer` or `SubBuffer`. The module is loaded with a global called `bytearray`
already in place, so that literals, class statements and `type2test = bytearray` all mean the type
under test; the built-in name itself is left alone, and so is every other module. Only tests that
mention the type, directly or through a helper, are run unless --all is given.

REPORT gets one JSON line a test as it starts and one as it ends: a test that was started and never
ended is the one that killed the process.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import inspect
import json
import os
import re
import sys
import tempfile
import time
import traceback
import types
import unittest
from collections.abc import Iterator
from typing import Any, TextIO

# Modules of shared tests whose literals must mean the type under test too.
SHARED = ("test.string_tests", "test.seq_tests", "test.list_tests", "test.pickletester")


def replacement(kind: str) -> type[bytearray]:
    """Return the type that `bytearray` means in the tests."""
    if kind == "builtin":
        return bytearray
    import growable

    if kind == "Buffer":
        return growable.Buffer

    class SubBuffer(growable.Buffer):
        __slots__ = ()  # so that the tests' own subclasses may add a __dict__

    SubBuffer.__module__ = "__main__"
    SubBuffer.__qualname__ = "SubBuffer"
    globals()["SubBuffer"] = SubBuffer
    return SubBuffer


def load(name: str, stand_in: type[bytearray]) -> types.ModuleType:
    """Import a module with its global `bytearray` set before the first line runs."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(name)
    module = importlib.util.module_from_spec(spec)
    module.__dict__["bytearray"] = stand_in
    sys.modules[name] = module
    parent, _, leaf = name.rpartition(".")
    if parent:
        setattr(importlib.import_module(parent), leaf, module)
    spec.loader.exec_module(module)
    return module


def names_in(node: ast.AST) -> frozenset[str]:
    """Return every name and attribute that occurs in the tree."""
    return frozenset(
        part.id if isinstance(part, ast.Name) else part.attr
        for part in ast.walk(node)
        if isinstance(part, ast.Name | ast.Attribute)
    )


def is_test(node: ast.AST) -> bool:
    """Return whether the node is a test method."""
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test")


def defined_name(node: ast.AST) -> str | None:
    """Return the name that a statement binds, where it is a single one."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return None


class Touching:
    """Which tests of one source file have to do with bytearray.

    A helper that mentions the type makes its own name one to look for, and so on. Names are all
    that is compared, so some tests are chosen that need not be; none is missed for that.
    """

    def __init__(self, path: str) -> None:
        with open(path, encoding="utf-8") as source:
            self.tree = ast.parse(source.read())
        self.names = {"bytearray"}
        helpers = list(self._helpers())
        before = 0
        while len(self.names) > before:
            before = len(self.names)
            self.names.update(name for name, used in helpers if used & self.names)

    def _helpers(self) -> Iterator[tuple[str, frozenset[str]]]:
        for node in self.tree.body:
            name = defined_name(node)
            if not isinstance(node, ast.ClassDef):
                if name is not None:
                    yield name, names_in(node)
                continue
            for inner in node.body:
                inner_name = defined_name(inner)
                if inner_name is None or is_test(inner) or inner_name in ("setUp", "tearDown"):
                    continue
                owner = node.name if inner_name.startswith("__") else inner_name
                yield owner, names_in(inner)
            for base in node.bases:
                yield node.name, names_in(base)

    def tests(self) -> set[tuple[str, str]]:
        """Return (class, method) of the tests that mention the type."""
        found = set()
        for node in self.tree.body:
            if not isinstance(node, ast.ClassDef):
                continue
            whole = any(
                defined_name(inner) in ("setUp", "setUpClass") and names_in(inner) & self.names
                for inner in node.body
            )
            for inner in node.body:
                name = defined_name(inner)
                if name and is_test(inner) and (whole or names_in(inner) & self.names):
                    found.add((node.name, name))
        return found


def flatten(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    """Give the test cases of a suite one by one."""
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


class Selector:
    """Chooses the tests to run; keeps what it found out about each source file."""

    def __init__(self, stand_in: type[bytearray], everything: bool) -> None:
        self.everything = everything
        self.files: dict[str, set[tuple[str, str]]] = {}

    def wants(self, case: unittest.TestCase) -> bool:
        """Return whether the test touches the type."""
        if self.everything:
            return True
        method = case._testMethodName
        for owner in type(case).__mro__:
            if method in vars(owner):
                path = inspect.getsourcefile(owner)
                if path is None:
                    return False
                if path not in self.files:
                    self.files[path] = Touching(path).tests()
                return (owner.__name__, method) in self.files[path]
        return False


class Report(unittest.TestResult):
    """Writes what happened to each test as a JSON line."""

    def __init__(self, out: TextIO, prefix: str) -> None:
        super().__init__()
        self.out = out
        self.prefix = prefix
        self.problem: dict[str, str] = {}
        self.started = 0.0

    def name(self, case: Any) -> str:
        return str(case.id()).removeprefix(self.prefix + ".")

    def write(self, **line: str) -> None:
        self.out.write(json.dumps(line) + "\n")
        self.out.flush()

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self.problem = {}
        self.started = time.perf_counter()
        self.write(event="start", test=self.name(test))

    def _note(self, error: Any) -> None:
        if not self.problem:
            text = "".join(traceback.format_exception(*error))
            self.problem = {"status": "fail", "text": text[-3000:]}

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        self._note(err)
        if not isinstance(test, unittest.TestCase) or not self.out_started(test):
            self.write(event="end", test=self.name(test), **self.problem)

    def out_started(self, test: unittest.TestCase) -> bool:
        return "." in self.name(test) and not self.name(test).startswith("setUpClass")

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        self._note(err)

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        if err is not None:
            self._note(err)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        if not self.problem:
            self.problem = {"status": "skip", "text": reason}

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:
        pass

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        outcome = self.problem or {"status": "pass", "text": ""}
        took = f"{time.perf_counter() - self.started:.3f}"
        self.write(event="end", test=self.name(test), seconds=took, **outcome)


def main() -> int:
    """Run the module's tests and report on each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("module")
    parser.add_argument("kind", choices=["builtin", "Buffer", "SubBuffer"])
    parser.add_argument("report")
    parser.add_argument("--all", action="store_true", help="also tests that do not touch the type")
    parser.add_argument("--only", default="", help="a regular expression that the name matches")
    parser.add_argument("--skip", action="append", default=[])
    options = parser.parse_args()
    from test import support

    support.use_resources = []
    stand_in = replacement(options.kind)
    for shared in SHARED:
        load(shared, stand_in)
    report_path = os.path.abspath(options.report)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        module = load(options.module, stand_in)
        selector = Selector(stand_in, options.all)
        loaded = unittest.defaultTestLoader.loadTestsFromModule(module)
        chosen = unittest.TestSuite()
        with open(report_path, "w", encoding="utf-8") as out:
            result = Report(out, options.module)
            for case in flatten(loaded):
                name = result.name(case)
                wanted = name not in options.skip and re.search(options.only, name)
                if wanted and selector.wants(case):
                    chosen.addTest(case)
            chosen.run(result)
            result.write(event="done")
        os.chdir("/")
    return 0


if __name__ == "__main__":
    # Not through sys.exit: a thread left behind by a test must not hold the process up.
    code = main()
    sys.stdout.flush()
    os._exit(code)
