"""The standard library takes a Buffer wherever it takes a bytearray."""

from __future__ import annotations

import ast
import asyncio
import base64
import binascii
import bz2
import codecs
import configparser
import csv
import ctypes
import decimal
import email
import gzip
import hashlib
import hmac
import io
import json
import lzma
import marshal
import mmap
import os
import pickle
import plistlib
import re
import socket
import struct
import subprocess
import sys
import tempfile
import tokenize
import urllib.parse
import uuid
import xml.etree.ElementTree as ElementTree
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from growable import Buffer
from support import pattern

Made = Callable[..., bytearray]
DATA = pattern(5000)

TAKES_BYTES: dict[str, tuple[bytes, Callable[[Any], Any]]] = {
    "json.loads": (b'{"a": [1, 2.5, "x"]}', json.loads),
    "json.loads utf-16": ('{"a": "\u00e4"}'.encode("utf-16"), json.loads),
    "json.load": (b"[1, 2]", lambda b: json.load(io.BytesIO(b))),
    "struct.unpack": (b"\x01\x02\x03\x04", lambda b: struct.unpack("<HH", b)),
    "struct.unpack_from": (DATA, lambda b: struct.unpack_from("<Q", b, 17)),
    "struct.iter_unpack": (DATA, lambda b: list(struct.iter_unpack("<IB", b))),
    "hmac.new": (b"key", lambda b: hmac.new(b, b, "sha256").hexdigest()),
    "hmac.digest": (b"key", lambda b: hmac.digest(b, b, "sha256")),
    "hmac.compare_digest": (b"key", lambda b: hmac.compare_digest(b, b"key")),
    "int": (b" -12345 ", int),
    "int base": (b"ff", lambda b: int(b, 16)),
    "int.from_bytes": (DATA[:16], lambda b: int.from_bytes(b, "big")),
    "float": (b" 1.5e3\n", float),
    "complex of float": (b"2.5", lambda b: complex(float(b))),
    "bytes": (DATA, bytes),
    "bytearray": (DATA, bytearray),
    "memoryview": (DATA, lambda b: memoryview(b).tobytes()),
    "bytes.join": (b"abc", lambda b: b"-".join([b, b])),
    "bytes +": (b"abc", lambda b: b"x" + b),
    "bytes %": (b"abc", lambda b: b"%s %b" % (b, b)),
    "bytes.find": (b"b", lambda b: b"abc".find(b)),
    "bytes.replace": (b"b", lambda b: b"abc".replace(b, b)),
    "bytes.startswith": (b"ab", lambda b: b"abc".startswith((b"zz", bytes(b)))),
    "str": (b"gr\xc3\xbcn", lambda b: str(b, "utf-8")),
    "re.search": (b"some 123 text", lambda b: re.search(rb"\d+", b).group()),  # type: ignore[union-attr]
    "re.findall": (b"a1b22c333", lambda b: re.findall(rb"\d+", b)),
    "re.sub": (b"a1b22", lambda b: re.sub(rb"\d", b"#", b)),
    "re.split": (b"a, b,c", lambda b: re.split(rb",\s*", b)),
    "re.fullmatch groups": (b"k=v", lambda b: re.fullmatch(rb"(\w)=(\w)", b).groups()),  # type: ignore[union-attr]
    "hashlib.sha256": (DATA, lambda b: hashlib.sha256(b).hexdigest()),
    "hashlib.md5": (DATA, lambda b: hashlib.md5(b).hexdigest()),
    "hashlib.blake2b key": (b"key", lambda b: hashlib.blake2b(b, key=b, salt=b).hexdigest()),
    "hashlib.sha3": (DATA, lambda b: hashlib.sha3_256(b).hexdigest()),
    "hashlib.pbkdf2": (b"pw", lambda b: hashlib.pbkdf2_hmac("sha256", b, b, 10)),
    "hashlib.scrypt": (b"pw", lambda b: hashlib.scrypt(b, salt=b, n=2, r=1, p=1)),
    "zlib": (DATA, lambda b: zlib.decompress(bytearray(zlib.compress(b)))),
    "zlib.decompress": (zlib.compress(DATA), zlib.decompress),
    "zlib.crc32": (DATA, zlib.crc32),
    "zlib.adler32": (DATA, zlib.adler32),
    "zlib dictionary": (b"dict", lambda b: zlib.compressobj(zdict=b).compress(b"dict") is not None),
    "bz2": (bz2.compress(DATA), bz2.decompress),
    "lzma": (lzma.compress(DATA), lzma.decompress),
    "gzip": (gzip.compress(DATA), gzip.decompress),
    "base64": (DATA, lambda b: base64.b64encode(b)),
    "base64 decode": (base64.b64encode(DATA), base64.b64decode),
    "base85": (DATA, lambda b: base64.b85decode(base64.b85encode(b))),
    "binascii.hexlify": (DATA, binascii.hexlify),
    "binascii.unhexlify": (b"00ff", binascii.unhexlify),
    "binascii.crc_hqx": (DATA, lambda b: binascii.crc_hqx(b, 0)),
    "codecs": (b"gr\xc3\xbcn", lambda b: codecs.decode(b, "utf-8")),
    "codecs incremental": (
        b"gr\xc3\xbcn",
        lambda b: codecs.getincrementaldecoder("utf-8")().decode(b),
    ),
    "pickle.loads": (pickle.dumps([1, "x"], 5), pickle.loads),
    "marshal.loads": (marshal.dumps((1, "x")), marshal.loads),
    "plistlib": (plistlib.dumps({"a": b"x"}), plistlib.loads),
    "ElementTree": (b"<a><b>x</b></a>", lambda b: ElementTree.fromstring(b)[0].text),
    "urllib.parse.quote": (b"a b/\xff", lambda b: urllib.parse.quote_from_bytes(b)),
    "uuid": (bytes(range(16)), lambda b: uuid.UUID(bytes=bytes(b))),
    "BytesIO": (DATA, lambda b: io.BytesIO(b).read()),
    "BytesIO.write": (DATA, lambda b: (lambda f: (f.write(b), f.getvalue()))(io.BytesIO())),
    "TextIOWrapper": (b"a\nb\n", lambda b: io.TextIOWrapper(io.BytesIO(b)).readlines()),
    "email": (b"Subject: x\n\nbody", lambda b: email.message_from_bytes(b)["subject"]),
    "zipfile comment": (b"note", lambda b: zipfile.is_zipfile(io.BytesIO(b))),
    "tokenize": (b"x = 1\n", lambda b: len(list(tokenize.tokenize(io.BytesIO(b).readline)))),
    "compile": (b"x = 1 + 2\n", lambda b: compile(b, "<b>", "exec").co_names),
    "eval": (b"1 + 2", eval),
    "ast.parse": (b"x = 1", lambda b: ast.dump(ast.parse(bytes(b)))),
    "ctypes": (b"abcd", lambda b: bytes((ctypes.c_char * 4).from_buffer(b))),
    "ctypes copy": (b"abcd", lambda b: (ctypes.c_uint32.from_buffer_copy(b)).value),
    "sum": (DATA, sum),
    "sorted": (b"hello", sorted),
    "max": (b"hello", max),
    "enumerate": (b"hello", lambda b: list(enumerate(b))),
    "zip": (b"hello", lambda b: list(zip(b, b, strict=True))),
    "unpacking": (b"abc", lambda b: [*b]),
    "set": (b"hello", set),
    "decimal of text": (b"1.25", lambda b: decimal.Decimal(b.decode())),
    "os.path": (b"/tmp/x", lambda b: os.fspath(bytes(b))),
    "match": (b"abc", lambda b: sys.intern(b.decode())),
}


@pytest.mark.parametrize("name", TAKES_BYTES)
def test_takes_bytes(name: str) -> None:
    data, function = TAKES_BYTES[name]
    buffer = Buffer(data)
    assert function(buffer) == function(bytearray(data))
    assert buffer.exports == 0


@pytest.mark.parametrize("name", TAKES_BYTES)
def test_takes_bytes_of_a_grown_and_exported_one(name: str) -> None:
    data, function = TAKES_BYTES[name]
    buffer = Buffer()
    with memoryview(buffer):
        buffer += data
        assert function(buffer) == function(bytearray(data))
        assert bytes(buffer) == data


FILLS: dict[str, Callable[[Any], Any]] = {
    "struct.pack_into": lambda b: struct.pack_into("<HI", b, 3, 500, 70_000),
    "BytesIO.readinto": lambda b: io.BytesIO(DATA).readinto(b),
    "BufferedReader.readinto": lambda b: io.BufferedReader(io.BytesIO(DATA)).readinto(b),
    "BufferedReader.readinto1": lambda b: io.BufferedReader(io.BytesIO(DATA)).readinto1(b),
    "memoryview": lambda b: memoryview(b).__setitem__(slice(2, 5), b"xyz"),
    "ctypes.memmove": lambda b: (
        ctypes.memmove((ctypes.c_char * 4).from_buffer(b), b"wxyz", 4) and 0
    ),
    "int.to_bytes": lambda b: b.__setitem__(slice(0, 4), (70_000).to_bytes(4, "big")),
    "readinto of gzip": lambda b: gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(DATA))).readinto(
        b
    ),
}


@pytest.mark.parametrize("name", FILLS)
def test_is_filled(name: str) -> None:
    ours, model = Buffer(200), bytearray(200)
    assert FILLS[name](ours) == FILLS[name](model)
    assert ours == model


def test_files(made: Made, tmp_path: Path) -> None:
    path = tmp_path / "data"
    content = made(DATA)
    with path.open("wb", buffering=0) as raw:
        assert raw.write(content) == len(DATA)
    with path.open("r+b") as file:
        target = made(len(DATA))
        assert file.readinto(target) == len(DATA)
        assert target == DATA
        with mmap.mmap(file.fileno(), 0) as mapped:
            mapped[:5] = made(b"hello")
            assert mapped.find(made(b"hello")) == 0
    descriptor = os.open(path, os.O_RDWR)
    assert os.write(descriptor, made(b"HELLO")) == 5
    assert os.pwrite(descriptor, made(b"x"), 0) == 1
    several = [made(3), made(4)]
    assert os.preadv(descriptor, several, 0) == 7
    assert several[0] == b"xEL"
    assert os.writev(descriptor, [made(b"a"), made(b"bc")]) == 3
    os.close(descriptor)


def test_sockets(made: Made) -> None:
    left, right = socket.socketpair()
    with left, right:
        left.sendall(made(b"hello world"))
        target = made(20)
        assert right.recv_into(target, 5) == 5
        assert target[:5] == b"hello"
        assert right.recvfrom_into(target)[0] == 6
        assert left.send(made(b"abc")) == 3
        assert left.sendmsg([made(b"de"), made(b"f")]) == 3
        parts = [made(2), made(10)]
        assert right.recvmsg_into(parts)[0] == 6
        assert parts[0] == b"ab"


def test_datagrams(made: Made) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as two:
        one.bind(("127.0.0.1", 0))
        two.sendto(made(b"hello"), one.getsockname())
        target = made(10)
        assert one.recvfrom_into(target)[0] == 5
        assert target[:5] == b"hello"


def test_loopback_stream_into_a_growing_buffer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        connection, _ = server.accept()
        with connection:
            client.sendall(DATA)
            client.close()
            buffer = Buffer()
            assert buffer.read_from(connection) == len(DATA)
    assert bytes(buffer) == DATA


def test_subprocess(made: Made) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.stdout.write(sys.stdin.read()[::-1])"],
        input=made(b"abc"),
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"cba"


def test_asyncio_streams(made: Made) -> None:
    async def main() -> bytes:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(made(await reader.readexactly(len(DATA))))
            writer.writelines([made(b"the"), made(b"end")])
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(made(DATA))
            result = await reader.read()
            writer.close()
            await writer.wait_closed()
            return result

    assert asyncio.run(main()) == DATA + b"theend"


def test_asyncio_transport_write_under_pressure(made: Made) -> None:
    """Far more than the socket takes at once, so that the transport keeps the rest."""
    large = pattern(8_000_000)

    async def main() -> tuple[bytes, bytearray]:
        loop = asyncio.get_running_loop()
        left, right = socket.socketpair()
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=left)
        content = made(large)
        transport.write(content)
        assert transport.get_write_buffer_size() > 0
        transport.write(made(b"the"))
        transport.write_eof()
        reader, writer = await asyncio.open_connection(sock=right)
        received = await reader.read()
        transport.close()
        writer.close()
        await writer.wait_closed()
        content += b"grows again"
        del content[:1]
        return received, content

    received, content = asyncio.run(main())
    assert received == large + b"the"
    assert content == large[1:] + b"grows again"


def test_asyncio_buffered_protocol(made: Made) -> None:
    """The transport receives straight into what get_buffer() gives."""

    class Receiver(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            self.target = made(65_536)
            self.got = bytearray()
            self.done = asyncio.get_running_loop().create_future()

        def get_buffer(self, sizehint: int) -> bytearray:
            return self.target

        def buffer_updated(self, nbytes: int) -> None:
            self.got += self.target[:nbytes]

        def connection_lost(self, exc: Exception | None) -> None:
            self.done.set_result(bytes(self.got))

    async def main() -> bytes:
        left, right = socket.socketpair()
        _, protocol = await asyncio.get_running_loop().create_connection(Receiver, sock=right)
        with left:
            left.sendall(DATA)
        result: bytes = await protocol.done
        return result

    assert asyncio.run(main()) == DATA


def test_asyncio_sock_functions(made: Made) -> None:
    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        left, right = socket.socketpair()
        with left, right:
            left.setblocking(False)
            right.setblocking(False)
            await loop.sock_sendall(left, made(b"hello"))
            target = made(10)
            count = await loop.sock_recv_into(right, target)
            return bytes(target[:count])

    assert asyncio.run(main()) == b"hello"


def test_tempfile_and_zip(made: Made) -> None:
    with tempfile.SpooledTemporaryFile() as file:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("name", made(DATA))
        with zipfile.ZipFile(file) as archive:
            assert archive.read("name") == DATA


def test_wrong_type_messages_agree() -> None:
    """What json does not serialise, it does not serialise in the same way."""
    for value in [bytearray(b"x"), Buffer(b"x")]:
        with pytest.raises(TypeError, match="not JSON serializable"):
            json.dumps(value)


def test_csv_and_configparser_take_text_of_it(made: Made) -> None:
    assert list(csv.reader(io.StringIO(made(b"a,b\n").decode()))) == [["a", "b"]]
    parser = configparser.ConfigParser()
    parser.read_string(made(b"[s]\nk = v\n").decode())
    assert parser["s"]["k"] == "v"
