"""After fork() the child has the contents as they were, and neither sees the other's changes."""

from __future__ import annotations

import os
import sys

import pytest
from support import run_child

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork() here")

SETUP = """
    import os, sys
    from growable import Buffer
    from support import TIERS, pattern, start_of
    buffers = [build(Buffer, pattern(3000)) for build in TIERS.values()]
    buffers.append(Buffer(pattern(5_000_000)))
    views = [memoryview(b) for b in buffers]
    originals = [bytes(b) for b in buffers]
    def wait(child):
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, status
"""


def test_the_child_sees_the_contents_and_can_change_them() -> None:
    run_child(
        SETUP
        + """
    child = os.fork()
    if child == 0:
        ok = True
        for b, v, o in zip(buffers, views, originals):
            ok = ok and b == o and v == o
            b += pattern(2_000_000)
            b[0] = 1
            ok = ok and b == b"\\x01" + o[1:] + pattern(2_000_000)
        os._exit(0 if ok else 1)
    wait(child)
    for b, v, o in zip(buffers, views, originals):
        assert b == o and v == o
    """
    )


def test_the_parent_goes_on() -> None:
    run_child(
        SETUP
        + """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writer)
        os.read(reader, 1)  # until the parent has changed everything
        os._exit(0 if all(b == o for b, o in zip(buffers, originals)) else 1)
    os.close(reader)
    for b in buffers:
        b += b"more"
        b[5] ^= 0xFF
    os.close(writer)
    wait(child)
    """
    )


def test_both_go_on_growing() -> None:
    """At the same time, with views and without, into new reservations too."""
    run_child(
        SETUP
        + """
    child = os.fork()
    mark = b"c" if child == 0 else b"p"
    expected = [o + mark * 10_000 * 200 for o in originals]
    for _ in range(200):
        for b in buffers:
            b += mark * 10_000
    ok = all(b == e for b, e in zip(buffers, expected))
    ok = ok and all(v == o for v, o in zip(views, originals))
    views.clear()
    fresh = [Buffer(mark * 100_000) for _ in range(100)]
    for b in buffers:
        del b[:-5]
        b += mark * 3_000_000
    ok = ok and all(b == mark * 3_000_005 for b in buffers)
    ok = ok and all(f == mark * 100_000 for f in fresh)
    if child == 0:
        os._exit(0 if ok else 1)
    wait(child)
    assert ok
    """
    )


def test_the_childs_pool_is_its_own() -> None:
    """Storage that was in the pool at the fork is used by both; no byte crosses over."""
    run_child(
        """
        import os
        from growable import Buffer
        for _ in range(3):
            b = Buffer(b"\\xaa" * 1_000_000)
            with memoryview(b):
                b += b"\\xaa"
            del b
        child = os.fork()
        fresh = Buffer()
        with memoryview(fresh):
            fresh.resize(1_000_000)
            clean = not any(fresh)
            fresh[:] = (b"c" if child == 0 else b"p") * 1_000_000
            same = fresh == (b"c" if child == 0 else b"p") * 1_000_000
        if child == 0:
            os._exit(0 if clean and same else 1)
        _, status = os.waitpid(child, 0)
        assert status == 0 and clean and same
        """
    )


def test_the_child_may_end_normally() -> None:
    """Interpreter shutdown in the child releases what it inherited."""
    run_child(
        SETUP
        + """
    views.clear()
    child = os.fork()
    if child == 0:
        sys.exit(0)
    wait(child)
    assert all(b == o for b, o in zip(buffers, originals))
    """
    )


@pytest.mark.skipif(sys.platform == "win32", reason="no fork here")
def test_multiprocessing() -> None:
    run_child(
        """
        import multiprocessing
        from growable import Buffer
        def work(buffer, pipe):
            buffer += b" child"
            pipe.send(buffer)
        if __name__ == "__main__":
            context = multiprocessing.get_context("fork")
            ours, theirs = context.Pipe()
            buffer = Buffer(b"parent")
            process = context.Process(target=work, args=(buffer, theirs))
            process.start()
            got = ours.recv()
            process.join()
            assert process.exitcode == 0
            assert type(got) is Buffer and got == b"parent child"
            assert buffer == b"parent"
        """
    )
