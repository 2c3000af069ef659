"""The extension in several interpreters of one process, each with its own lock and its own state."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from support import run_child


def interpreters_module() -> ModuleType | None:
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            return __import__(name)
        except ImportError:
            continue
    return None


pytestmark = [
    pytest.mark.skipif(
        sys.version_info < (3, 12), reason="one lock per interpreter is new in Python 3.12"
    ),
    pytest.mark.skipif(interpreters_module() is None, reason="no module for interpreters"),
]

PRELUDE = """
import sys, threading
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

def create():
    try:
        return interpreters.create("isolated")
    except TypeError:
        return interpreters.create(isolated=True)

def run(interpreter, code):
    code = "import sys; sys.path[:0] = %r\\n" % (sys.path,) + code
    problem = interpreters.run_string(interpreter, code)
    assert problem is None, problem

WORK = '''
from growable import Buffer
import growable
for size in (3, 1000, 100_000):
    buffer = Buffer(b"x" * size)
    view = memoryview(buffer)
    buffer += b"y" * 10_000
    assert view[:1] == b"x" and len(view) == size
    view.release()
    del buffer[:size]
    assert buffer == b"y" * 10_000
    try:
        Buffer(capacity=5).resize(6)
    except growable.CapacityError:
        pass
    buffer.freeze()
'''
"""


def test_import_and_use() -> None:
    run_child(
        PRELUDE
        + """
interpreter = create()
run(interpreter, WORK)
interpreters.destroy(interpreter)
"""
    )


def test_several_in_turn() -> None:
    run_child(
        PRELUDE
        + """
import growable
held = growable.Buffer(b"main" * 1000)
for _ in range(5):
    interpreter = create()
    run(interpreter, WORK)
    interpreters.destroy(interpreter)
held += b"x"
assert held == b"main" * 1000 + b"x"
"""
    )


def test_several_at_once() -> None:
    run_child(
        PRELUDE
        + """
def work():
    interpreter = create()
    for _ in range(20):
        run(interpreter, WORK)
    interpreters.destroy(interpreter)

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
exec(WORK)
for thread in threads: thread.join()
"""
    )


def test_settings_are_each_ones_own() -> None:
    run_child(
        PRELUDE
        + """
import growable
interpreter = create()
run(interpreter, "import growable; growable.set_defaults(reservation='8MiB')")
assert growable.info()["defaults"]["reservation"] != 8 << 20
run(interpreter, "import growable; assert growable.info()['defaults']['reservation'] == 8 << 20")
interpreters.destroy(interpreter)
"""
    )


def test_errors_are_each_ones_own() -> None:
    run_child(
        PRELUDE
        + """
import growable
interpreter = create()
run(interpreter, '''
import growable
try:
    growable.Buffer(capacity=1).resize(2)
except growable.CapacityError as error:
    assert type(error) is growable._core.CapacityError
''')
interpreters.destroy(interpreter)
"""
    )


def test_buffers_alive_at_the_end_of_an_interpreter() -> None:
    run_child(
        PRELUDE
        + """
for kept in ("b = Buffer(bytes(100_000))", "b = Buffer(bytes(100_000)); v = memoryview(b)",
             "class S(Buffer): pass\\nb = S(bytes(100_000)); b.me = b",
             "b = Buffer(b'x'); t = b.spare(100_000)"):
    interpreter = create()
    run(interpreter, "from growable import Buffer\\n" + kept)
    interpreters.destroy(interpreter)
"""
    )


def test_reservations_go_with_the_interpreter() -> None:
    run_child(
        PRELUDE
        + """
def mappings():
    with open("/proc/self/maps") as file:
        return len(file.readlines())

interpreter = create()
run(interpreter, WORK)
interpreters.destroy(interpreter)
before = mappings()
for _ in range(10):
    interpreter = create()
    run(interpreter, WORK)
    interpreters.destroy(interpreter)
assert mappings() - before < 60, mappings() - before
""",
    )
