"""The settings prefault and latency: same contents, whoever puts memory behind the pages.

The one thing a reader would get wrong: nothing is promised of the helper thread, so the tests wait
for what it does with a generous limit of time, and most only check that nothing goes wrong.
"""

from __future__ import annotations

import os
import sys

import growable
import pytest
from support import run_child

SETUP = """
    import os, sys, time
    import growable
    from growable import Buffer, _core
    from support import pattern, start_of
    MIB = 1 << 20
    def fill(b, size, chunk=64 << 10):
        data = pattern(chunk)
        while len(b) < size:
            b += data
        return b
    def resident_past(b):
        "How many pages past the end have memory behind them."
        pages = _core.page_map(b)
        page = growable.info()["page_size"]
        return pages[len(b) // page + 1:].count(2)
    def becomes_resident_past(b, least):
        end = time.monotonic() + 30
        while resident_past(b) < least and time.monotonic() < end:
            time.sleep(0.001)
        return resident_past(b) >= least
    page = growable.info()["page_size"]
"""

BACKGROUND = SETUP + '    growable.set_defaults(prefault="background")\n'

MODES = [
    (prefault, latency)
    for prefault in ("off", "ahead", "background")
    for latency in ("normal", "low")
]


@pytest.mark.parametrize(("prefault", "latency"), MODES)
def test_contents_are_the_same(prefault: str, latency: str) -> None:
    run_child(
        SETUP
        + f"""
    growable.set_defaults(prefault="{prefault}", latency="{latency}")
    for size in (0, 100, 100_000, 3 * MIB, 20 * MIB):
        b = Buffer()
        with memoryview(b):
            fill(b, size, 10_007)
        assert b == pattern(10_007) * (len(b) // 10_007)
        b.resize(len(b) + 100_000) if hasattr(b, "resize") else b.extend(bytes(100_000))
        assert b[-100_000:] == bytes(100_000)
        del b[: len(b) // 2]
        b.clear()
        b.extend(bytes(MIB))
        assert b == bytes(MIB)
        b.release()
    """
    )


@pytest.mark.parametrize("latency", ["normal", "low"])
def test_the_helper_is_ahead_of_the_writer(latency: str) -> None:
    run_child(
        BACKGROUND
        + f"""
    growable.set_defaults(latency="{latency}")
    if not growable.capabilities()["query_resident"]:
        sys.exit()
    b = fill(Buffer(), 6 * MIB)
    assert becomes_resident_past(b, MIB // 2 // page), resident_past(b)
    assert resident_past(b) <= 4 * MIB // page
    assert b == pattern(64 << 10) * 96
    """
    )


@pytest.mark.skipif(sys.platform != "linux", reason="populating is Linux's")
def test_the_writer_is_ahead_of_itself_by_little() -> None:
    run_child(
        SETUP
        + """
    growable.set_defaults(pool_budget=0, huge_pages=False)
    if not growable.capabilities()["populate"]:
        sys.exit()
    for size, least in ((MIB, 16), (8 * MIB, 1)):
        b = fill(Buffer(), size, 10_000)
        assert resident_past(b) <= 256 * 1024 // page + 1
    b = Buffer(64 * MIB)
    assert resident_past(b) == 0 and _core.page_map(b).count(2) <= 2, "zeros cost no memory"
    b.release()
    growable.set_defaults(prefault="off")
    assert resident_past(fill(Buffer(), MIB, 10_000)) <= 1
    """
    )


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_low_latency_has_no_huge_pages() -> None:
    run_child(
        SETUP
        + """
    growable.set_defaults(latency="low", pool_budget=0)
    b = fill(Buffer(), 32 * MIB)
    with open("/proc/self/smaps") as file:
        lines = file.read().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"{start_of(b):x}-"))
    huge = next(line for line in lines[start:] if line.startswith("AnonHugePages:"))
    assert int(huge.split()[1]) == 0, huge
    """
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork() here")
def test_a_child_has_a_helper_of_its_own() -> None:
    run_child(
        BACKGROUND
        + """
    import warnings
    warnings.simplefilter("ignore", DeprecationWarning)  # a process with threads forks
    b = Buffer()
    for round in range(6):
        fill(b, (round + 1) * 5 * MIB)
        before = len(b)
        child = os.fork()
        if child == 0:
            fill(b, before + 6 * MIB)
            own = fill(Buffer(), 6 * MIB)
            good = b == pattern(64 << 10) * (len(b) >> 16) and len(own) == 6 * MIB
            good = good and becomes_resident_past(own, MIB // page)
            b.release()
            os._exit(0 if good else 1)
        fill(b, before + MIB)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, status
    assert b == pattern(64 << 10) * (len(b) >> 16)
    """
    )


@pytest.mark.parametrize(
    "end",
    ["", "sys.exit(0)", "os._exit(0)", "import threading; threading._shutdown()"],
    ids=["end", "exit", "_exit", "shutdown"],
)
def test_the_process_ends_while_the_helper_works(end: str) -> None:
    for _ in range(3):
        run_child(BACKGROUND + f"    b = [fill(Buffer(), 5 * MIB) for _ in range(4)]\n    {end}\n")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="one lock per interpreter is of Python 3.12")
def test_interpreters_share_the_helper() -> None:
    pytest.importorskip("_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters")
    run_child(
        BACKGROUND
        + """
    import textwrap, threading
    try:
        import _interpreters as interpreters
        create = lambda: interpreters.create("isolated")
    except ImportError:
        import _xxsubinterpreters as interpreters
        create = lambda: interpreters.create(isolated=True)
    WORK = '''
    import sys
    sys.path[:0] = %r
    import growable
    growable.set_defaults(prefault="background")
    for round in range(5):
        b = growable.Buffer()
        for i in range(100):
            b += bytes([i]) * 65536
        assert all(b[i << 16] == i for i in range(100))
    kept = b  # the last is left to the interpreter's end
    '''
    WORK = textwrap.dedent(WORK) % (sys.path,)
    def work():
        interpreter = create()
        assert interpreters.run_string(interpreter, WORK) is None
        interpreters.destroy(interpreter)
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads: thread.start()
    b = fill(Buffer(), 20 * MIB)
    for thread in threads: thread.join()
    fill(b, 30 * MIB)
    assert b == pattern(64 << 10) * (len(b) >> 16)
    """
    )


def test_the_helper_keeps_off_what_moves_or_goes() -> None:
    run_child(
        BACKGROUND
        + """
    growable.set_defaults(reservation="4MiB")
    chunk = pattern(50_000)
    for round in range(60):
        b = Buffer()
        for i in range(40 + round * 5):
            b += chunk  # past the reservation: it moves
        if round % 3 == 0:
            del b[:-100_000]
        elif round % 3 == 1:
            b.clear()
        else:
            b.freeze()
        if round % 2:
            b.release()
    growable.trim()
    """
    )


def test_a_queue_goes_through() -> None:
    run_child(
        BACKGROUND
        + """
    b, total, taken = Buffer(), 0, 0
    for round in range(800):
        b += round.to_bytes(4, "big") * 25_000
        if len(b) > 3 * MIB:
            assert b[:4] == taken.to_bytes(4, "big")
            del b[:100_000]
            taken += 1
    """
    )


def test_settings_may_change_while_buffers_grow() -> None:
    run_child(
        SETUP
        + """
    chunk = pattern(30_000)
    b = Buffer()
    with memoryview(b):
        for round in range(300):
            growable.set_defaults(prefault=("off", "ahead", "background")[round % 3],
                                  latency=("normal", "low")[round // 3 % 2])
            b += chunk
            b.append(7)
    assert b == (chunk + b"\\x07") * 300
    """
    )


def test_info_tells_the_settings() -> None:
    defaults = growable.info()["defaults"]
    assert defaults["prefault"] in ("off", "ahead", "background")
    assert defaults["latency"] in ("normal", "low")
