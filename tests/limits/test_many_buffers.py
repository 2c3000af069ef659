"""Many live buffers: past what the system has mappings or addresses for they degrade, not fail."""

from __future__ import annotations

import sys

import pytest
from support import run_child, under_sanitizer

pytestmark = [
    pytest.mark.skipif(under_sanitizer(), reason="a sanitizer needs the memory for itself"),
    pytest.mark.skipif(sys.platform != "linux", reason="the figures are Linux's"),
]


def test_a_million_small_buffers() -> None:
    run_child(
        """
        import resource
        from growable import Buffer
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        many = [Buffer(b"x" * 16) for _ in range(1_000_000)]
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert used < 400 * 1024, used
        assert all(len(m) == 16 for m in many)
        for m in many[::1000]:
            m += b"y"
            assert m == b"x" * 16 + b"y"
        """
    )


@pytest.mark.parametrize(
    "small",
    ["exported(b'x' * 1000)", "exported(b'x' * 5000)", "Buffer(b'x', capacity=64 * MIB)"],
    ids=["quick", "large enough", "capacity"],
)
def test_small_ones_after_large_ones(small: str) -> None:
    """Each takes over what a large one left in the pool; together they keep no more than twice its
    budget, beside what waits there and 64 KiB each."""
    run_child(
        f"""
        from growable import Buffer
        MIB = 1 << 20

        def resident():
            with open("/proc/self/smaps_rollup") as file:
                line = next(line for line in file if line.startswith("Rss:"))
            return int(line.split()[1]) << 10

        def exported(content):
            return memoryview(Buffer(content))

        kept = []
        before = resident()
        for _ in range(50):
            Buffer(b"y" * (20 * MIB)).release()
            kept.append({small})
        used = resident() - before
        assert used < 3 * 64 * MIB + len(kept) * 128 * 1024, used
        for one in kept:
            assert bytes(one) == b"x" * len(one)
        """
    )


def test_one_small_one_leaves_warm_memory_to_the_others() -> None:
    """It has all that the pool could lend when it came, and stays."""
    run_child(
        """
        import resource
        from growable import Buffer
        MIB = 1 << 20
        piece = b"x" * (64 << 10)

        def faults_of_a_buffer():
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            b = Buffer(huge_pages=False)
            while len(b) < 8 * MIB:
                b += piece
            b.release()
            return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

        b = Buffer(bytes(60 * MIB), huge_pages=False)
        b.release()
        kept = memoryview(Buffer(b"small", huge_pages=False))
        faults_of_a_buffer()
        assert faults_of_a_buffer() < 100
        """
    )


@pytest.mark.parametrize("count", [20_000, 70_000])
def test_live_exported_buffers(count: int) -> None:
    """70,000 is more than vm.max_map_count allows mappings by default."""
    run_child(
        """
        import sys
        from growable import Buffer
        count = int(sys.argv[1])
        many = [Buffer(b"%08d" % n) for n in range(count)]
        views = [memoryview(m) for m in many]
        assert all(v.obj is m for v, m in zip(views, many))
        for n in range(0, count, 7):
            assert views[n] == b"%08d" % n, n
        for n in (0, 1, 100, count // 2, count - 1):
            v, m = views[n], many[n]
            try:
                m += b"more"
            except (MemoryError, BufferError):
                assert m == b"%08d" % n
            else:
                assert m == b"%08dmore" % n
            assert v == b"%08d" % n
        # the first ones have a reservation and must be able to grow
        many[0] += bytes(1_000_000)
        assert views[0] == b"%08d" % 0
        del views
        for n in range(0, count, 97):
            many[n] += b"free"
            assert many[n].endswith(b"free")
        """,
        str(count),
    )


def test_what_was_used_up_comes_back() -> None:
    """After tens of thousands of exported buffers are gone a new one has a large reservation."""
    run_child(
        """
        from growable import Buffer
        for _ in range(2):
            many = [Buffer(b"x") for _ in range(40_000)]
            views = [memoryview(m) for m in many]
            del views, many
        buffer = Buffer(b"x")
        with memoryview(buffer):
            buffer += bytes(100 << 20)
        assert len(buffer) == (100 << 20) + 1
        """
    )


OTHERS = """
    import mmap, threading
    def others_get_memory(mappings):
        kept = []
        for n in range(mappings):  # of alternating protection, so that they do not merge
            access = mmap.ACCESS_READ if n % 2 else mmap.ACCESS_WRITE
            kept.append(mmap.mmap(-1, 4096, access=access))
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()
        assert len(bytes(64 << 20)) == 64 << 20
        assert len([bytes(100_000) for _ in range(500)]) == 500
"""


@pytest.mark.parametrize("count", [20_000, 70_000])
def test_others_can_still_map_and_allocate(count: int) -> None:
    """Most of half of the mappings that the process may have is left to the rest of it."""
    run_child(
        OTHERS
        + """
    import sys
    from growable import Buffer, info
    many = [Buffer(b"x") for _ in range(int(sys.argv[1]))]
    views = [memoryview(m) for m in many]
    others_get_memory(info()["limits"]["mappings"] // 3)
    assert all(v == b"x" for v in views)
    """,
        str(count),
    )


@pytest.mark.parametrize("count", [70_000, 140_000])
def test_others_can_after_every_second_one_is_gone(count: int) -> None:
    """What is released out of the middle of merged mappings splits them."""
    run_child(
        OTHERS
        + """
    import sys
    from growable import Buffer, info
    mappings = info()["limits"]["mappings"]
    many = [Buffer(b"x") for _ in range(int(sys.argv[1]))]
    views = [memoryview(m) for m in many]
    for n in range(0, len(many), 2):
        views[n].release()
        many[n] = None
    others_get_memory(mappings // 10)
    late = Buffer(b"late")
    with memoryview(late):
        late += bytes(100_000)
    assert all(v == b"x" for v in views[1::2])
    """,
        str(count),
    )


def test_growing_many_at_once() -> None:
    run_child(
        """
        from growable import Buffer
        many = [Buffer() for _ in range(3000)]
        views = [memoryview(m) for m in many]
        for step in range(20):
            for m in many:
                m += b"%04d" % step * 300
        expected = b"".join(b"%04d" % s * 300 for s in range(20))
        assert all(m == expected for m in many)
        """
    )


def test_many_with_a_capacity() -> None:
    run_child(
        """
        import growable
        many = []
        try:
            for n in range(40_000):
                many.append(growable.Buffer(b"%05d" % n, capacity=100_000))
        except growable.ReservationError as error:
            assert error.limit, error
            assert len(many) > 10_000
        for n, m in enumerate(many):
            assert m == b"%05d" % n
        """
    )
