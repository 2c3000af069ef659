"""Decompress into the tail of one Buffer, and look at the first part while the rest is unpacked.

Two of the libraries write straight into memory that they are given: zstandard's reader and
blosc2. The others return `bytes`, so each piece is copied once into the tail; there the point is to
take small pieces, so that the contents exist once and not twice. The script shows how much memory
Python allocates for each beside the Buffer, and that a view of the first bytes stays good.

    python docs/recipes/decompress.py

needs: zstandard lz4 blosc2
"""

from __future__ import annotations

import gzip
import io
import lzma
import tracemalloc
import zlib
from collections.abc import Callable
from typing import BinaryIO

import blosc2
import lz4.frame
import zstandard
from growable import Buffer

PIECE = 256 * 1024


def unzlib(packed: BinaryIO, out: Buffer) -> None:
    """A zlib stream, in pieces of a bounded length."""
    unpacker = zlib.decompressobj()
    while not unpacker.eof:
        data = unpacker.unconsumed_tail or packed.read(PIECE)
        if not data:
            raise EOFError("the compressed data ends too early")
        out += unpacker.decompress(data, PIECE)


def ungzip(packed: BinaryIO, out: Buffer) -> None:
    """A gzip file: its reader has readinto, which is all that read_from needs."""
    with gzip.GzipFile(fileobj=packed) as reader:
        while out.read_from(reader, PIECE):
            pass


def unlzma(packed: BinaryIO, out: Buffer) -> None:
    """An .xz or .lzma file."""
    with lzma.LZMAFile(packed) as reader:
        while out.read_from(reader, PIECE):
            pass


def unlz4(packed: BinaryIO, out: Buffer) -> None:
    """An LZ4 frame."""
    with lz4.frame.open(packed) as reader:
        while out.read_from(reader, PIECE):
            pass


def unzstd(packed: BinaryIO, out: Buffer) -> None:
    """A Zstandard frame: the library writes into the tail itself."""
    with zstandard.ZstdDecompressor().stream_reader(packed, closefd=False) as reader:
        while out.read_from(reader, PIECE):
            pass


def unblosc2(packed: BinaryIO, out: Buffer) -> None:
    """A Blosc2 frame, chunk by chunk: the library writes into the tail itself."""
    frame = blosc2.schunk_from_cframe(packed.read())
    left = frame.nbytes
    for number in range(frame.nchunks):
        size = min(frame.chunksize, left)
        with out.spare(size) as tail:
            frame.decompress_chunk(number, dst=tail)
            out.advance(size)
        left -= size


def pack_blosc2(content: bytes) -> bytes:
    """Compress with Blosc2, in chunks of a megabyte."""
    frame: bytes = blosc2.SChunk(chunksize=1 << 20, data=content).to_cframe()
    return frame


FORMATS: dict[str, tuple[Callable[[bytes], bytes], Callable[[BinaryIO, Buffer], None]]] = {
    "zlib": (lambda content: zlib.compress(content, 1), unzlib),
    "gzip": (lambda content: gzip.compress(content, 1), ungzip),
    "lzma": (lambda content: lzma.compress(content, preset=0), unlzma),
    "lz4": (lz4.frame.compress, unlz4),
    "zstandard": (zstandard.compress, unzstd),
    "blosc2": (pack_blosc2, unblosc2),
}


def unpack(
    packed: bytes, into: Callable[[BinaryIO, Buffer], None], size: int
) -> tuple[Buffer, int]:
    """Return the contents and the most memory that Python allocated beside them."""
    out = Buffer()
    file = io.BytesIO(packed)
    out.ensure(size)  # now, so that what is measured below is not the Buffer's own
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    into(file, out)
    beside = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    return out, beside


def look_while_unpacking(packed: bytes, content: bytes) -> None:
    """A header can be parsed, and its view kept, as soon as its bytes are there."""
    out = Buffer()
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed)) as reader:
        while out.find(b"\n") < 0 and out.read_from(reader, PIECE):
            pass
        header = memoryview(out)[: out.find(b"\n")]
        while out.read_from(reader, PIECE):  # grows under the view
            pass
    assert header == content[: len(header)]
    assert out == content
    print(f"The header {bytes(header)!r} was viewed after {PIECE:,} of {len(out):,} bytes.")


def main() -> None:
    """Pack some text in each format, and unpack it."""
    content = b"number,square,cube\n" + b"".join(
        b"%d,%d,%d\n" % (i, i * i, i * i * i) for i in range(400_000)
    )
    print(f"{'format':10}{'packed':>12}{'contents':>12}{'beside them':>13}")
    for name, (pack, into) in FORMATS.items():
        packed = pack(content)
        out, beside = unpack(packed, into, len(content))
        assert out == content
        assert beside < len(content)  # never a second copy of it all
        print(f"{name:10}{len(packed):12,}{len(out):12,}{beside:13,}")
    look_while_unpacking(zstandard.compress(content), content)


if __name__ == "__main__":
    main()
