"""Sections that travel: multiprocessing under every start method, and sockets."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import socket
import sys
from typing import Any

import growable
import pytest
import section_workers
from growable import Section
from support import PAGE, run_child

METHODS = multiprocessing.get_all_start_methods()


@pytest.fixture(params=METHODS)
def context(request: pytest.FixtureRequest) -> Any:
    """Give multiprocessing under each start method."""
    return multiprocessing.get_context(request.param)


def run(context: Any, target: Any, *args: Any) -> None:
    """Run a function in a process and see it end well."""
    process = context.Process(target=target, args=args)
    process.start()
    process.join()
    assert process.exitcode == 0


def test_as_an_argument(context: Any) -> None:
    section = Section(2 * PAGE)
    view = section.view()
    run(context, section_workers.fill, section, PAGE + 7, b"from the child")
    assert bytes(view[PAGE + 7 : PAGE + 21]) == b"from the child"


def test_twice_in_the_arguments(context: Any) -> None:
    one, two = Section(PAGE), Section(PAGE)
    run(context, section_workers.fill, one, 0, b"one")
    run(context, section_workers.fill, two, 0, b"two")
    assert bytes(one.view(0, 3)) == b"one"
    assert bytes(two.view(0, 3)) == b"two"


def test_through_a_pipe(context: Any) -> None:
    ours, theirs = context.Pipe()
    process = context.Process(target=section_workers.echo, args=(theirs,))
    process.start()
    for pages in (1, 2, 3):
        section = Section(pages * PAGE)
        ours.send(section)
        assert ours.recv() == pages * PAGE
        assert bytes(section.view(0, 4)) == b"echo"
    ours.send(None)
    process.join()
    assert process.exitcode == 0


def test_through_a_queue(context: Any) -> None:
    given, done = context.Queue(), context.Queue()
    process = context.Process(target=section_workers.take_from_queue, args=(given, done))
    process.start()
    section = Section(PAGE)
    given.put(section)
    assert done.get(timeout=60) == PAGE
    process.join()
    assert bytes(section.view(0, 5)) == b"queue"
    for queue in (given, done):
        queue.close()
        queue.join_thread()


def test_a_pool_and_a_sealed_section(context: Any) -> None:
    section = Section(PAGE)
    with section.view() as view:
        view[:5] = b"plain"
    section.seal()
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        found = pool.submit(section_workers.describe, section).result()
    assert found == (PAGE, None, True, sys.platform == "linux", b"plain")


def test_the_name_comes_along(context: Any) -> None:
    section = Section(PAGE, f"along-{os.getpid()}")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        found = pool.submit(section_workers.describe, section).result()
    assert found == (PAGE, section.name, False, False, bytes(5))


def test_a_child_makes_it_larger(context: Any) -> None:
    if not growable.capabilities()["section_resize"]:
        pytest.skip("only files grow here")
    section = Section(PAGE)
    run(context, section_workers.grow, section, 3 * PAGE)
    assert section.size == 3 * PAGE
    assert bytes(section.view()[-3:]) == b"end"


@pytest.mark.skipif(not hasattr(socket, "send_fds"), reason="no sockets that send descriptors")
def test_over_a_socket() -> None:
    section = Section(PAGE)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        socket.send_fds(ours, [b"section"], [section.fileno()])
        message, files, _, _ = socket.recv_fds(theirs, 100, 1)
    assert message == b"section"
    other = Section.from_handle(files[0])
    os.close(files[0])
    other.view()[:5] = b"other"
    assert bytes(section.view(0, 5)) == b"other"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_after_fork_both_see_the_same() -> None:
    run_child(
        """
        import os, growable
        section = growable.Section(8192)
        view = section.view()
        child = os.fork()
        if child == 0:
            view[:5] = b"child"
            section.resize(16384)
            section.view()[-1] = 7
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert bytes(view[:5]) == b"child" and section.size == 16384
        assert section.view()[-1] == 7
        """
    )


def test_importing_growable_does_not_import_multiprocessing() -> None:
    run_child(
        """
        import sys, growable
        assert "multiprocessing" not in sys.modules
        growable.Section
        assert "Section" in dir(growable)
        """
    )
