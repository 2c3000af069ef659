"""Threads, interpreters and leaks."""

from __future__ import annotations

import gc
import sys
import threading
import tracemalloc

import pytest
from growable import Region, StateError
from region_support import CAN, told_states
from support import PAGE, blocks_kept_by, run_child


def test_threads_on_pages_of_their_own() -> None:
    threads, rounds, pages = 4, 100, 8
    errors: list[BaseException] = []
    with Region(threads * pages * PAGE) as region:

        def work(number: int) -> None:
            try:
                base = number * pages * PAGE
                for i in range(rounds):
                    region.commit(base, pages * PAGE)
                    with region.view(base, pages * PAGE) as view:
                        view[:] = bytes([number + 1]) * pages * PAGE
                    region.protect(base, PAGE, "r")
                    region.discard(base + PAGE, PAGE)
                    assert region.restore(base, pages * PAGE) == []
                    assert region.view(base + PAGE, 1)[0] == number + 1
                    region.decommit(base + (i % pages) * PAGE, PAGE)
                    region.pages()
            except BaseException as error:
                errors.append(error)

        running = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        assert errors == []
        assert set(told_states(region)) == {"c", "r"}
        gc.collect()


def test_a_release_while_others_work() -> None:
    region = Region(64 * PAGE)
    seen: list[type[BaseException]] = []

    def work() -> None:
        try:
            while True:
                region.commit()
                region.decommit(PAGE, 8 * PAGE)
        except BaseException as error:
            seen.append(type(error))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    region.release()
    for thread in threads:
        thread.join()
    assert seen == [StateError] * 3


def test_nothing_is_kept() -> None:
    region = Region(16 * PAGE, commit=True)

    def use() -> None:
        with Region(8 * PAGE, name="kept") as other:
            other.commit(PAGE, PAGE)
            other.view(PAGE, 5).release()
            other.pages()
            memoryview(b"").release()
        region.query(0)
        region.protect(0, PAGE, "r")
        region.protect(0, PAGE, "rw")
        region.discard()
        region.restore()
        for bad in (lambda: region.commit(-1), lambda: region.view(0, 1 << 40)):
            try:
                bad()
            except ValueError:
                pass

    assert blocks_kept_by(use, rounds=100) < 0.1
    region.release()


@pytest.mark.skipif(sys.platform != "linux", reason="counts mappings")
def test_no_mapping_is_kept() -> None:
    def count() -> int:
        with open("/proc/self/maps") as file:
            return len(file.readlines())

    def use() -> None:
        with Region(64 * PAGE, executable=True, placeholder=CAN["placeholder"]) as region:
            if CAN["placeholder"]:
                region.split(32 * PAGE)
                region.replace(0, 32 * PAGE)
            region.commit(0, PAGE)
            region.protect(0, PAGE, "rx")
        if CAN["write_watch"]:
            Region(PAGE, write_watch=True).release()

    use()
    before = count()
    for _ in range(200):
        use()
    assert count() <= before + 4


def test_tracemalloc_sees_what_is_committed() -> None:
    tracemalloc.start()
    try:
        region = Region(1 << 30)
        before = tracemalloc.get_traced_memory()[0]
        region.commit(0, 1 << 24)
        assert tracemalloc.get_traced_memory()[0] - before >= 1 << 24
        region.decommit()
        assert tracemalloc.get_traced_memory()[0] - before < 1 << 20
        region.commit(0, 1 << 24)
        region.release()
        assert tracemalloc.get_traced_memory()[0] - before < 1 << 20
    finally:
        tracemalloc.stop()


def test_getsizeof_counts_what_is_committed() -> None:
    with Region(1 << 30) as region:
        empty = sys.getsizeof(region)
        region.commit(0, 1 << 20)
        assert sys.getsizeof(region) - empty == 1 << 20


@pytest.mark.skipif(sys.version_info < (3, 12), reason="one lock per interpreter is new in 3.12")
def test_in_another_interpreter() -> None:
    code = """
        try:
            import _interpreters as interpreters
            run = interpreters.run_string
        except ImportError:
            import _xxsubinterpreters as interpreters
            run = interpreters.run_string
        import growable
        growable.Region(1)
        code = "\\n".join([
            "import growable",
            "r = growable.Region(1 << 20, commit=True)",
            "kept = r.view()",
            "assert r.query(0).state == 'committed'",
            "r.pages()",
            "growable.Region(5)",
        ])
        for _ in range(3):
            one = interpreters.create()
            failed = run(one, code)
            assert failed is None, failed
            interpreters.destroy(one)
        print("done")
    """
    assert run_child(code).stdout == "done\n"


def test_at_the_end_of_the_interpreter() -> None:
    code = """
        import growable
        region = growable.Region(1 << 20, commit=True)
        view = region.view()
        region.pages()
        class Late:
            def __del__(self, region=region, view=view):
                print(region.query(0).state, view[0])
                region.commit()
        late = Late()
    """
    assert run_child(code).stdout == "committed 0\n"
