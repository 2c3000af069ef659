"""Reserve for the largest case, and commit page by page as data comes.

What comes is written at addresses that never change, so whoever looks at the beginning may go on
looking. Memory is taken for what has come, not for what might.

`growable.Buffer` does this by itself, in larger steps. A Region is for who wants to decide.

    python docs/recipes/page_by_page.py
"""

from __future__ import annotations

from collections.abc import Iterator

from growable import Region

LARGEST = 1 << 30


def records() -> Iterator[bytes]:
    """Give data whose length nobody knows beforehand."""
    for number in range(3000):
        yield f"record {number}\n".encode()


def main() -> None:
    with Region(LARGEST, name="records") as region:
        page = region.page_size
        region.commit(0, page)
        first = region.view(0, 8)  # held while everything else arrives

        end, committed = 0, page
        for record in records():
            if end + len(record) > committed:  # no record is longer than a page
                region.commit(committed, page)
                committed += page
            with region.view(end, len(record)) as place:
                place[:] = record
            end += len(record)

        assert bytes(first) == b"record 0"
        with region.view(0, end) as everything:
            assert bytes(everything) == b"".join(records())
        print(f"{end} bytes came, {committed} are committed, {region.size} reserved")
        print(region.pages())
        first.release()


if __name__ == "__main__":
    main()
