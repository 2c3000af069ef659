"""One-shot guards: each page trips once, nothing else changes, and other crashes stay crashes.

What is about handlers of signals runs in a child, since they stay installed for a whole process.
The one thing a reader would get wrong: on_hit runs when the main thread next runs Python code, not
when the access is made, hence the waiting.
"""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable

import numpy as np
import pytest
from growable import Region, Section, StateError, UnsupportedError, _core
from region_support import CAN, Refusal, linux_only, linux_or_windows, system_access, told_states
from support import PAGE, run_child

EFAULT = os.strerror(errno.EFAULT)


def committed(pages: int) -> Region:
    """Return a Region whose pages are all committed and hold ones."""
    region = Region(pages * PAGE, commit=True)
    region.view()[:] = b"\1" * region.size
    return region


def until(condition: Callable[[], object]) -> None:
    """Let the main thread run Python code until the condition holds."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_the_first_access_trips_once_and_succeeds() -> None:
    with committed(8) as region:
        region.guard(2 * PAGE, 3 * PAGE)
        assert region.guard_hits() == []
        assert told_states(region) == "ccgggccc"
        view = region.view()
        view[3 * PAGE + 17] = 9
        assert view[3 * PAGE + 17] == 9
        assert region.guard_hits() == [3 * PAGE]
        assert told_states(region) == "ccgcgccc"
        assert view[2 * PAGE] == 1
        view[3 * PAGE] = 8
        assert region.guard_hits() == [2 * PAGE, 3 * PAGE]
        assert told_states(region) == "ccccgccc"
        view.release()


def test_contents_are_kept() -> None:
    data = os.urandom(4 * PAGE)
    with committed(4) as region:
        region.view()[:] = data
        region.guard(0, None)
        assert region.view() == data
        assert region.guard_hits() == [0, PAGE, 2 * PAGE, 3 * PAGE]


def test_a_guard_acts_on_the_pages_touched() -> None:
    with committed(4) as region:
        region.guard(PAGE - 1, 2)
        assert told_states(region) == "ggcc"


@linux_or_windows
def test_the_system_sees_the_pages_without_access_until_they_are_hit() -> None:
    with committed(4) as region:
        region.protect(2 * PAGE, PAGE, "r")
        region.guard(PAGE, 2 * PAGE)
        assert system_access(region) == ["rw", "none", "none", "rw"]
        assert [run.access for run in region.pages()] == ["rw", "rw", "r", "rw"]
        assert region.view(PAGE, 2 * PAGE)[PAGE] == 1
        assert system_access(region) == ["rw", "none", "r", "rw"]


def test_guarded_again_it_trips_again() -> None:
    with committed(2) as region:
        view = region.view()
        for number in range(50):
            region.guard(PAGE, PAGE)
            assert region.guard_hits() == []
            view[PAGE] = number
            assert region.guard_hits() == [PAGE]
        view.release()


def test_numpy_reads_and_writes() -> None:
    with committed(16) as region:
        array = np.frombuffer(region, np.float64)
        array[:] = np.arange(len(array))
        region.guard(0, None)
        assert array.sum() == len(array) * (len(array) - 1) / 2
        assert len(region.guard_hits()) == 16
        region.guard(4 * PAGE, 8 * PAGE)
        array[: len(array) // 2] += 1
        assert region.guard_hits()[-1] == 15 * PAGE
        assert told_states(region) == "c" * 8 + "g" * 4 + "c" * 4
        assert array[0] == 1
        assert array[len(array) // 2 - 1] == len(array) // 2
        del array


def test_another_access_takes_the_guard_off() -> None:
    with committed(6) as region:
        region.guard(0, None)
        region.protect(0, PAGE, "r")
        region.commit(PAGE, PAGE)
        region.decommit(2 * PAGE, PAGE)
        assert told_states(region) == "ccrggg"
        assert region.view(0, 2 * PAGE)[PAGE] == 1
        assert region.guard_hits() == []
        region.commit(2 * PAGE, PAGE)
        assert region.view(2 * PAGE, PAGE)[0] == 0
        assert region.guard_hits() == []


@pytest.mark.skipif(not CAN["placeholder"], reason="there are no placeholders")
def test_a_placeholder_again_has_no_guard() -> None:
    with Region(1 << 18, placeholder=True) as region:
        region.replace(0, None)
        region.guard(0, None)
        region.unmap(0, None, preserve=True)
        assert {run.state for run in region.pages()} == {"placeholder"}
        region.replace(0, None)
        assert region.view()[PAGE] == 0
        assert region.guard_hits() == []


def test_only_accessible_pages_are_guarded() -> None:
    with Region(4 * PAGE) as region:
        region.commit(0, 2 * PAGE)
        region.protect(0, PAGE, "none")
        refusal = Refusal(region)
        for first in (0, 1, 3):
            with pytest.raises(StateError, match=r"guard: the .* bytes at offset"):
                region.guard(first * PAGE, None)
        refusal.check()
        assert region.guard_hits() == []


@pytest.mark.parametrize("name", ["lock", "prefetch", "discard"])
def test_what_would_touch_guarded_pages_is_refused(name: str) -> None:
    if not CAN.get(name, True):
        pytest.skip(f"no {name} here")
    with committed(4) as region:
        region.guard(PAGE, PAGE)
        with pytest.raises(StateError, match=f"{name}: the .* are guarded.*touch or protect"):
            getattr(region, name)(0, None)
        assert region.guard_hits() == []
        assert region.view()[PAGE] == 1
        getattr(region, name)(0, None)


def test_discarded_pages_are_not_guarded() -> None:
    with committed(4) as region:
        region.discard(PAGE, PAGE)
        with pytest.raises(StateError, match=r"discarded.*restore"):
            region.guard(0, None)
        region.restore()
        region.guard(0, None)


def test_wrong_arguments() -> None:
    with committed(2) as region:
        with pytest.raises(TypeError, match="on_hit must be callable or None, not int"):
            region.guard(0, None, 5)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="guard: offset"):
            region.guard(0, 3 * PAGE)
        with pytest.raises(ValueError, match="length"):
            region.guard(0, 0)
        assert told_states(region) == "cc"
    for call in (lambda: region.guard(0, None), region.guard_hits):
        with pytest.raises(StateError, match="released"):
            call()


def test_exports_do_not_mind_a_guard() -> None:
    region = committed(2)
    view = region.view()
    region.guard(0, None)
    assert view[0] == view[PAGE] == 1
    view.release()
    region.guard(0, None)
    region.release()
    with committed(2) as other:
        other.guard(0, PAGE)
        assert other.view()[0] == 1
        assert other.guard_hits() == [0]


@linux_only
def test_a_system_call_fails_and_trips_nothing() -> None:
    reader, writer = os.pipe()
    try:
        with committed(2) as region:
            region.guard(0, PAGE)
            with pytest.raises(OSError, match=EFAULT):
                os.write(writer, region.view(0, 10))
            os.write(writer, b"0123456789")
            with pytest.raises(OSError, match=EFAULT):
                os.readv(reader, [region.view(0, 10)])
            assert region.guard_hits() == []
            assert region.view()[0] == 1
            assert os.readv(reader, [region.view(0, 10)]) == 10
            assert region.view(0, 10) == b"0123456789"
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.skipif(not CAN["placeholder"], reason="there are no placeholders")
def test_mapped_pages_are_guarded_too() -> None:
    size = 1 << 18
    with Section(size) as section, Region(2 * size, placeholder=True) as region:
        region.split(size)
        for offset in (0, size):
            region.map(section, 0, offset, size)
        region.guard(0, size)
        with region.view(size, size) as view:
            view[5] = 3
        assert region.guard_hits() == []
        with region.view(0, size) as view:
            assert view[5] == 3
        assert region.guard_hits() == [0]
        region.unmap(0, size)
        region.commit(0, PAGE)
        assert region.view(0, PAGE)[5] == 0
        assert region.guard_hits() == [0]
        region.unmap(size, size, preserve=True)
        region.map(section, 0, size, size, "rw", copy_on_write=True)
        with pytest.raises(UnsupportedError, match="copy-on-write"):
            region.guard(size, PAGE)


# on_hit


def test_on_hit_runs_on_the_main_thread() -> None:
    seen: list[tuple[int, int]] = []
    with committed(8) as region:
        region.guard(0, None, on_hit=lambda offset: seen.append((offset, threading.get_ident())))
        view = region.view()
        thread = threading.Thread(target=lambda: view.__setitem__(3 * PAGE + 5, 2))
        thread.start()
        thread.join()
        until(lambda: seen)
        view[5 * PAGE] = 2
        until(lambda: len(seen) == 2)
        main = threading.main_thread().ident
        assert seen == [(3 * PAGE, main), (5 * PAGE, main)]
        assert region.guard_hits() == [3 * PAGE, 5 * PAGE]
        view.release()


def test_each_range_has_its_own_on_hit() -> None:
    first: list[int] = []
    second: list[int] = []
    with committed(8) as region:
        region.guard(0, 6 * PAGE, first.append)
        region.guard(4 * PAGE, 4 * PAGE, second.append)
        region.guard(PAGE, PAGE)
        assert bytes(region.view()) == b"\1" * region.size
        until(lambda: len(first) + len(second) == 7)
        assert sorted(first) == [0, 2 * PAGE, 3 * PAGE]
        assert sorted(second) == [4 * PAGE, 5 * PAGE, 6 * PAGE, 7 * PAGE]


def test_on_hit_may_guard_and_touch_and_release() -> None:
    count = 0
    region = committed(2)
    view = region.view()

    def again(offset: int) -> None:
        nonlocal count
        count += 1
        if count < 3000:
            region.guard(offset, 1, again)
            view[offset] = 2
        else:
            view.release()
            region.release()

    region.guard(0, PAGE, again)
    view[0] = 2
    until(lambda: count == 3000)
    assert region.released


def test_an_exception_in_on_hit_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[sys.UnraisableHookArgs] = []
    monkeypatch.setattr(sys, "unraisablehook", seen.append)

    def fail(offset: int) -> None:
        raise RuntimeError(offset)

    with committed(2) as region:
        region.guard(0, None, fail)
        assert region.view()[PAGE] == 1
        until(lambda: seen)
        assert seen[0].object is fail
        assert str(seen[0].exc_value) == str(PAGE)
        del seen[:]


def test_a_cycle_through_on_hit_is_collected() -> None:
    region = committed(1)
    region.guard(0, None, lambda offset, region=region: None)
    gone = weakref.ref(region)
    del region
    gc.collect()
    assert gone() is None


def test_a_dead_region_is_told_of_no_more() -> None:
    seen: list[int] = []
    regions = [committed(1) for _ in range(5)]
    for region in regions:
        region.guard(0, None, seen.append)
    del regions[2], regions[0], regions[-1], region
    for region in regions:
        assert region.view()[0] == 1
    until(lambda: len(seen) == 2)


# Children

# A sanitizer that reports crashes ends the process in its own way.
ENV = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":handle_segv=0"}

SETUP = """
import faulthandler, os, signal, sys, threading, time
import growable
from growable import Region
P = growable.info()["page_size"]
def committed(pages):
    region = Region(pages * P, commit=True)
    region.view()[:] = bytes([1]) * region.size
    return region
def until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)
def crash():
    import ctypes
    print("near", flush=True)
    ctypes.string_at(16, 1)
"""

STORM = """
import numpy as np
PAGES, ROUNDS, THREADS = 1250, 8, 8
region = committed(PAGES)
array = np.frombuffer(region, np.uint8).reshape(PAGES, P)
seen = []
def storm(number, barrier):
    for round in range(ROUNDS):
        barrier.wait()
        pages = range(PAGES) if number % 2 else range(PAGES - 1, -1, -1)
        for page in pages:
            array[page, number::THREADS] = round + number
        barrier.wait()
barrier = threading.Barrier(THREADS + 1)
threads = [threading.Thread(target=storm, args=(n, barrier)) for n in range(THREADS)]
for thread in threads:
    thread.start()
hits = 0
for round in range(ROUNDS):
    region.guard(0, None, seen.append)
    barrier.wait()
    barrier.wait()
    found = region.guard_hits()
    assert found == [page * P for page in range(PAGES)], len(found)
    hits += len(found)
    until(lambda: len(seen) == hits)
    for number in range(THREADS):
        assert (array[:, number::THREADS] == round + number).all()
for thread in threads:
    thread.join()
assert hits == 10_000 and sorted(seen) == sorted(found * ROUNDS)
"""


@linux_only
def test_ten_thousand_trips_with_faulthandler_and_a_crash_after() -> None:
    result = run_child(
        SETUP + "faulthandler.enable()\n" + STORM + "crash()", check_exit=False, env=ENV
    )
    assert result.stdout == "near\n", result.stderr
    assert result.returncode == -signal.SIGSEGV
    assert result.stderr.count("Fatal Python error: Segmentation fault") == 1


@linux_only
def test_ten_thousand_trips_with_a_handler_before() -> None:
    before = """
import ctypes
PROTOTYPE = ctypes.CFUNCTYPE(None, ctypes.c_int)
called = []
@PROTOTYPE
def leave(number):
    os.write(1, b"called\\n")
    os._exit(42)
faulthandler.disable()
ctypes.CDLL(None).signal(signal.SIGSEGV, leave)
"""
    result = run_child(SETUP + before + STORM + "crash()", check_exit=False, env=ENV)
    assert (result.returncode, result.stdout) == (42, "near\ncalled\n"), result.stderr


@linux_only
@pytest.mark.parametrize("order", ["before", "after", "twice"])
def test_faulthandler_before_and_after(order: str) -> None:
    code = {
        "before": "faulthandler.enable()\nregion.guard(0, 2 * P)\n",
        "after": "region.guard(0, P)\nfaulthandler.enable()\nregion.guard(P, P)\n",
        "twice": """
for _ in range(20):
    faulthandler.disable()
    region.guard(0, P)
    faulthandler.enable()
    region.guard(P, P)
""",
    }[order]
    head = SETUP + "faulthandler.disable()\nregion = committed(4)\n" + code
    check = (
        "assert region.view()[0] == region.view()[P] == 1\nassert region.guard_hits() == [0, P]\n"
    )
    run_child(head + check)
    result = run_child(head + check + "crash()", check_exit=False, env=ENV)
    assert result.stdout == "near\n", result.stderr
    assert result.returncode == -signal.SIGSEGV
    assert result.stderr.count("Fatal Python error: Segmentation fault") == 1


@linux_only
@pytest.mark.parametrize(
    "abuse",
    [
        "region.protect(P, P, 'r'); region.guard(0, None)",
        "region.guard(0, None); region.protect(P, P, 'r')",
        "region.guard(0, None); region.protect(P, P, 'none', force=True)",
        "region.guard(0, None); region.decommit(P, P, force=True)",
    ],
)
def test_abuse_of_guarded_pages_kills(abuse: str) -> None:
    code = f"""
region = committed(4)
address = region.address
{abuse}
import ctypes
print("near", flush=True)
ctypes.memset(address + P, 5, 1)
"""
    result = run_child(SETUP + code, check_exit=False, env={**ENV, "PYTHONFAULTHANDLER": ""})
    assert result.stdout == "near\n", result.stderr
    assert result.returncode == -signal.SIGSEGV


@linux_only
def test_a_child_of_fork_has_guards_of_its_own() -> None:
    run_child(
        SETUP
        + """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of threads and forks
seen = []
region = committed(4)
region.guard(0, None, seen.append)
assert region.view()[0] == 1
until(lambda: seen == [0])
child = os.fork()
if child == 0:
    region.view()[P] = 7
    until(lambda: seen == [0, P])
    assert region.guard_hits() == [0, P]
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert region.guard_hits() == [0]
assert region.view()[P] == 1
until(lambda: seen == [0, P])
"""
    )


@pytest.mark.skipif(sys.platform == "win32", reason="has no fork, and so no hook for it")
@pytest.mark.parametrize("hook", ["os.register_at_fork", "atexit.register"])
def test_no_on_hit_without_its_hooks(hook: str) -> None:
    run_child(
        SETUP
        + f"""
import atexit
region = committed(2)
seen = []
before = {hook}
del {hook}
try:
    region.guard(0, None, seen.append)
except AttributeError:
    assert region.view()[0] == 1 and region.guard_hits() == []
else:
    raise SystemExit("no exception")
{hook} = before
region.guard(0, P, seen.append)
assert region.view()[0] == 1
until(lambda: seen == [0])
"""
    )


def test_a_hit_waits_while_too_many_calls_are_pending() -> None:
    run_child(
        SETUP
        + """
import ctypes, threading
add = ctypes.pythonapi.Py_AddPendingCall
nothing = ctypes.cast(ctypes.pythonapi.PyErr_Occurred, ctypes.c_void_p)  # returns 0
region = committed(2)
seen = []
region.guard(0, None, seen.append)
view = region.view()

def fill():
    while add(nothing, None) == 0:
        pass
    view[P] = 2
    time.sleep(0.2)

thread = threading.Thread(target=fill)
thread.start()
thread.join()  # the main thread runs no pending call
until(lambda: seen == [P])
"""
    )


@pytest.mark.skipif(not hasattr(_core, "_fault_arm"), reason="no build of the fault preset")
def test_a_refused_call_into_the_system_guards_nothing() -> None:
    result = run_child(
        SETUP
        + """
from growable import GrowableError, _core
failures = []
for nth in range(1, 20):
    region = committed(4)
    seen = []
    _core._fault_arm(nth, 1)
    try:
        region.guard(P, P, seen.append)
    except GrowableError as error:
        failures.append(str(error))
    _core._fault_disarm()
    calls = _core._fault_calls()
    view = region.view()
    assert view[0] == view[P] == 1
    hits = region.guard_hits()
    assert hits in ([], [P]), hits
    until(lambda: seen == hits)
    if calls < nth:
        break
assert hits == [P]
assert "no thread to tell of hits" in failures[0], failures
assert all("guard: " in text for text in failures) and len(failures) >= 3, failures
"""
    )
    assert result.stderr == ""


def test_hits_at_the_end_are_told() -> None:
    result = run_child(
        SETUP
        + """
import atexit
region = committed(2)
region.guard(0, None, lambda offset: print("hit", offset))
view = region.view()
atexit.register(lambda: view[P])
"""
    )
    assert result.stdout == f"hit {PAGE}\n"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="one lock for all interpreters")
def test_no_on_hit_in_a_subinterpreter() -> None:
    code = """
import importlib
try:
    subinterpreters = importlib.import_module("_interpreters")
except ImportError:
    subinterpreters = importlib.import_module("_xxsubinterpreters")
which = subinterpreters.create()
print(subinterpreters.run_string(which, '''
from growable import Region, UnsupportedError
with Region(1 << 16, commit=True) as region:
    region.guard(0, None)
    region.view()[5] = 1
    assert region.guard_hits() == [0]
    try:
        region.guard(0, None, print)
    except UnsupportedError as error:
        assert "subinterpreter" in str(error)
    else:
        raise AssertionError
'''))
"""
    assert run_child(code).stdout == "None\n"
