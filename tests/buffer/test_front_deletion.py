"""Deleting at the front moves the start, not the bytes, and gives the pages behind it back."""

from __future__ import annotations

from collections.abc import Callable

import growable
import pytest
from growable import Buffer, _core
from support import PAGE, check, pattern, run_child, start_of, under_sanitizer

Make = Callable[..., Buffer]
MIB = 1 << 20


def page_map(buffer: Buffer) -> bytes:
    pages = _core.page_map(buffer)
    assert pages is not None
    return pages


FRONT: dict[str, tuple[Callable[[Buffer], object], int]] = {
    "del slice": (lambda b: b.__delitem__(slice(None, 10)), 10),
    "del item": (lambda b: b.__delitem__(0), 1),
    "pop": (lambda b: b.pop(0), 1),
    "remove": (lambda b: b.remove(b[0]), 1),
    "assign nothing": (lambda b: b.__setitem__(slice(0, 7), b""), 7),
    "take_bytes": (lambda b: b.take_bytes(33), 33),
}


@pytest.mark.parametrize("name", FRONT)
def test_the_start_moves_on_by_what_was_removed(make: Make, name: str) -> None:
    remove, count = FRONT[name]
    buffer = make(pattern(1000))
    where = start_of(buffer)
    remove(buffer)
    assert start_of(buffer) == where + count
    check(buffer, pattern(1000)[count:])


def test_a_shorter_replacement_at_the_front(make: Make) -> None:
    buffer = make(pattern(1000))
    where = start_of(buffer)
    buffer[:100] = b"xyz"
    assert start_of(buffer) == where + 97
    check(buffer, b"xyz" + pattern(1000)[100:])


def test_the_address_moves_on_too() -> None:
    buffer = Buffer(pattern(1000))
    where = buffer.address
    del buffer[:300]
    assert buffer.address == where + 300


def test_the_rest_is_not_touched() -> None:
    """A byte off the front of a gibibyte that was never written reads or writes none of it."""
    buffer = Buffer(1 << 30)
    before = page_map(buffer).count(2)
    del buffer[:1]
    assert page_map(buffer).count(2) <= before + 1
    assert len(buffer) == (1 << 30) - 1


def test_pages_are_given_back() -> None:
    buffer = Buffer(pattern(16 * MIB))
    assert page_map(buffer)[0] == 2
    del buffer[: 12 * MIB]
    pages = page_map(buffer)
    gone = pages[: 12 * MIB // PAGE - 2 * MIB // PAGE]
    assert set(gone) == {0}
    assert pages[12 * MIB // PAGE] == 2
    check(buffer, pattern(16 * MIB)[12 * MIB :])


def test_pages_are_given_back_in_small_steps() -> None:
    buffer = Buffer(pattern(8 * MIB))
    for _ in range(6 * MIB // 4096):
        del buffer[:4096]
    assert page_map(buffer).count(0) >= 4 * MIB // PAGE
    check(buffer, pattern(8 * MIB)[6 * MIB :])


def test_getsizeof_counts_what_is_left() -> None:
    buffer = Buffer(pattern(16 * MIB))
    before = buffer.__sizeof__()
    del buffer[: 12 * MIB]
    assert before - buffer.__sizeof__() >= 8 * MIB


def test_the_last_page_of_the_front_stays_readable() -> None:
    """The first byte left may stand anywhere in its page."""
    for offset in (4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 4 * MIB + PAGE - 1):
        buffer = Buffer(pattern(8 * MIB))
        del buffer[:offset]
        check(buffer, pattern(8 * MIB)[offset:])


@pytest.mark.parametrize("size", [0, 1, 23, 24, 4096, 100_000, 5_000_000])
def test_more_than_there_is(size: int) -> None:
    buffer = Buffer(pattern(size))
    del buffer[: size + 100]
    check(buffer, b"")
    buffer += b"again"
    check(buffer, b"again")


def test_growth_after_the_front_is_gone(make: Make) -> None:
    buffer = make(pattern(1000))
    del buffer[:900]
    buffer += pattern(100_000, 1)
    check(buffer, pattern(1000)[900:] + pattern(100_000, 1))


def test_growth_under_an_export_after_the_front_is_gone(make: Make) -> None:
    buffer = make(pattern(1000))
    del buffer[:900]
    with memoryview(buffer) as view:
        buffer += pattern(100_000, 1)
        assert view.tobytes() == pattern(1000)[900:]
    check(buffer, pattern(1000)[900:] + pattern(100_000, 1))


def test_new_bytes_are_zero_after_the_front_is_gone(make: Make) -> None:
    buffer = make(b"\xff" * 5000)
    del buffer[:4000]
    buffer.resize(6000)
    check(buffer, b"\xff" * 1000 + bytes(5000))


def test_insert_at_the_front_after_a_deletion(make: Make) -> None:
    buffer = make(pattern(1000))
    del buffer[:500]
    buffer.insert(0, 0xAA)
    buffer[:0] = b"front"
    check(buffer, b"front\xaa" + pattern(1000)[500:])


def test_emptied_storage_is_used_from_its_beginning_again() -> None:
    buffer = Buffer(pattern(1000))
    memoryview(buffer).release()
    where = start_of(buffer)
    del buffer[:400]
    del buffer[:600]
    buffer += pattern(1000, 5)
    assert start_of(buffer) == where
    check(buffer, pattern(1000, 5))


def test_shrink_to_fit_after_front_deletion() -> None:
    buffer = Buffer(pattern(16 * MIB))
    del buffer[: 15 * MIB]
    buffer.shrink_to_fit()
    check(buffer, pattern(16 * MIB)[15 * MIB :])
    buffer += pattern(3 * MIB, 2)
    check(buffer, pattern(16 * MIB)[15 * MIB :] + pattern(3 * MIB, 2))


def test_freeze_after_front_deletion() -> None:
    buffer = Buffer(pattern(8 * MIB))
    del buffer[: 5 * MIB]
    buffer.freeze()
    assert memoryview(buffer) == pattern(8 * MIB)[5 * MIB :]


def test_release_after_front_deletion_hands_on_zeroes() -> None:
    buffer = Buffer(b"\xee" * (8 * MIB))
    del buffer[: 5 * MIB]
    buffer.release()
    fresh = Buffer()
    fresh.resize(8 * MIB)
    assert not any(memoryview(fresh).cast("Q"))


def test_front_deletion_in_a_named_buffer_with_capacity() -> None:
    buffer = Buffer(pattern(3 * MIB), capacity=4 * MIB, name="queue")
    del buffer[: 2 * MIB]
    buffer += pattern(3 * MIB, 1)
    check(buffer, pattern(3 * MIB)[2 * MIB :] + pattern(3 * MIB, 1))
    assert buffer.capacity == 4 * MIB


def run_queue(buffer: Buffer, total: int, chunk: int, depth: int) -> int:
    """Let `total` bytes through a queue and return the most that was ever committed."""
    most = 0
    chunks = [pattern(chunk, salt) for salt in range(7)]
    for step in range(total // chunk):
        buffer += chunks[step % 7]
        if step >= depth:
            assert buffer.take_bytes(chunk) == chunks[(step - depth) % 7]
        most = max(most, buffer.committed)
    return most


@pytest.mark.parametrize(
    ("chunk", "total"), [(1000, 4 * MIB), (4096, 16 * MIB), (1 << 18, 1 << 28)]
)
def test_a_long_queue_stays_small(chunk: int, total: int) -> None:
    growable.trim()  # a reservation that waits may have more committed than a queue needs
    assert run_queue(Buffer(), total, chunk, 4) <= 4 * MIB + 16 * chunk


def test_a_long_queue_counts_as_little() -> None:
    """Neither getsizeof nor tracemalloc may grow with what has gone by."""
    buffer = Buffer()
    run_queue(buffer, 64 * MIB, 1 << 16, 4)
    assert buffer.__sizeof__() <= 6 * MIB


def test_a_long_queue_with_a_capacity_stays_in_it() -> None:
    buffer = Buffer(capacity=MIB)
    assert run_queue(buffer, 32 * MIB, 65_000, 8) <= 4 * MIB
    assert buffer.capacity == MIB


def test_a_queue_longer_than_its_reservation() -> None:
    """A gigabyte goes through 16 MiB of addresses; little of it is ever resident."""
    run_child(
        """
        import resource
        import growable
        growable.set_defaults(reservation="16MiB")
        from growable import Buffer

        def resident():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

        chunk = bytes(range(256)) * 256
        buffer = Buffer()
        buffer += chunk * 4
        before = resident()
        for _ in range((1 << 30) // len(chunk) // 4):
            buffer += chunk
            assert buffer[:65536] == chunk
            del buffer[:65536]
        assert buffer == chunk * 4
        assert resident() - before < 40 << 20, resident() - before
        assert growable.info()["pool"]["reserved_bytes"] <= 64 << 20
        """
    )


def test_a_pinned_queue_ends_at_the_end_of_its_storage() -> None:
    """Its address was read, so the start cannot go back; the error says so and nothing is lost."""
    run_child(
        """
        import growable
        growable.set_defaults(reservation="1MiB")
        from growable import Buffer
        buffer = Buffer(b"x")
        where = buffer.address
        total = 0
        try:
            while True:
                buffer += b"y" * 1000
                total += 1000
                del buffer[:1000]
                assert buffer.address == where + total
        except growable.CapacityError as error:
            assert "address" in str(error), error
        assert len(buffer) == 1 and total > 900_000
        assert buffer.address == where + total
        """
    )


@pytest.mark.skipif(under_sanitizer(), reason="times mean nothing under a sanitizer")
def test_a_queue_on_the_heap_costs_no_more_than_bytearrays() -> None:
    """Where addresses are limited contents stay on the heap. Moving them at each step would cost
    a hundred times a bytearray's time; the bound of ten leaves room for a noisy machine."""
    result = run_child(
        """
        import time
        from growable import Buffer

        def cost(kind):
            queue = kind(bytes(200_000))
            start = time.perf_counter()
            for _ in range(100_000):
                queue.append(1)
                del queue[:1]
            return time.perf_counter() - start

        print(min(cost(Buffer) for _ in range(2)) / min(cost(bytearray) for _ in range(3)))
        """,
        ulimit="-v 4000000",
    )
    assert float(result.stdout) < 10


def test_front_deletion_keeps_lent_bytes_out() -> None:
    buffer = Buffer(b"head")
    buffer.spare(10).release()
    del buffer[:1]
    with pytest.raises(ValueError, match="advance"):
        buffer.advance(11)
    check(buffer, b"ead")


def test_reservations_of_emptied_queues_are_given_up() -> None:
    for _ in range(50):
        buffer = Buffer(pattern(2 * MIB))
        del buffer[:MIB]
        buffer.release()
    assert growable.info()["pool"]["reservations"] < 200
