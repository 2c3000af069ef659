"""What takes a file in memory takes ours: the same program with both, and the same contents after."""

from __future__ import annotations

import csv
import gzip
import http.client
import io
import json
import lzma
import pickle
import shutil
import sys
import tarfile
import wave
import xml.etree.ElementTree
import zipfile
from collections.abc import Callable
from types import ModuleType
from typing import TypeAlias

import pytest
from growable import Buffer, BytesIO
from support import pattern

Make: TypeAlias = type[io.BytesIO]
CONTENT = pattern(50_000)


def use_zipfile(f: io.BytesIO) -> object:
    with zipfile.ZipFile(f, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("a"), CONTENT)
        archive.writestr(zipfile.ZipInfo("b"), b"second")
    with zipfile.ZipFile(f) as archive:
        return archive.read("a"), archive.namelist()


def use_tarfile(f: io.BytesIO) -> object:
    with tarfile.open(fileobj=f, mode="w:gz", compresslevel=1) as archive:
        info = tarfile.TarInfo("a")
        info.size = len(CONTENT)
        archive.addfile(info, type(f)(CONTENT))
    f.seek(0)
    with tarfile.open(fileobj=f) as archive:
        inner = archive.extractfile("a")
        assert inner is not None
        content = inner.read()
    f.seek(0)
    f.truncate()  # the archive has the time in it
    return content


def use_compression(f: io.BytesIO) -> object:
    with gzip.GzipFile(fileobj=f, mode="wb", mtime=0) as packed:
        packed.write(CONTENT)
    f.write(lzma.compress(CONTENT))
    f.seek(0)
    return gzip.GzipFile(fileobj=type(f)(gzip.compress(CONTENT))).read()


def use_text(f: io.BytesIO) -> object:
    text = io.TextIOWrapper(f, "utf-8", newline="\n")
    csv.writer(text, lineterminator="\n").writerows([["a", 1], ["\N{EURO SIGN}", 2]] * 500)
    text.seek(0)
    rows = list(csv.reader(text))
    text.detach()
    return rows


def use_buffered(f: io.BytesIO) -> object:
    f.write(CONTENT)
    f.seek(0)
    reader = io.BufferedReader(f, 1000)  # type: ignore[type-var]
    got = [reader.peek(5)[:5], reader.read(7), reader.readline(), reader.read1(10), reader.tell()]
    reader.detach()
    return got


def use_pickle(f: io.BytesIO) -> object:
    pickle.dump(["x" * 1000, CONTENT], f)
    f.seek(0)
    return pickle.load(f)


def use_copying(f: io.BytesIO) -> object:
    shutil.copyfileobj(type(f)(CONTENT), f, 999)
    with type(f)(CONTENT) as source:
        f.write(source.read(100))
    return source.closed


def use_parsers(f: io.BytesIO) -> object:
    f.write(b"<a><b>text</b></a>")
    f.seek(0)
    tree = xml.etree.ElementTree.parse(f)
    found = tree.find("b")
    assert found is not None
    headers = http.client.parse_headers(type(f)(b"A: 1\r\nB: 2\r\n\r\n"))
    return found.text, headers.items(), json.load(type(f)(b'{"a": [1]}'))


def use_wave(f: io.BytesIO) -> object:
    with wave.open(f, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(CONTENT)
    f.seek(0)
    with wave.open(f) as sound:
        return sound.readframes(100)


def use_print(f: io.BytesIO) -> object:
    text = io.TextIOWrapper(f, "ascii", write_through=True)
    before, sys.stdout = sys.stdout, text
    try:
        print("hello")
    finally:
        sys.stdout = before
    text.detach()
    return None


def use_buffer_source(f: io.BytesIO) -> object:
    f.write(CONTENT)
    f.seek(100)
    target = Buffer(b"head")
    return target.read_from(f), bytes(target)


USES = [
    use_zipfile, use_tarfile, use_compression, use_text, use_buffered, use_pickle, use_copying,
    use_parsers, use_wave, use_print, use_buffer_source,
]  # fmt: skip


@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
@pytest.mark.parametrize("viewed", [False, True], ids=["plain", "viewed"])
def test_use(use: Callable[[io.BytesIO], object], viewed: bool) -> None:
    builtin, ours = io.BytesIO(), BytesIO()
    if viewed:
        ours.getbuffer().release()  # in a Buffer from here on
    assert use(ours) == use(builtin)
    assert ours.getvalue() == builtin.getvalue()


def test_numpy(need: Callable[[str], ModuleType]) -> None:
    np = need("numpy")
    f = BytesIO()
    f.getbuffer().release()
    np.save(f, np.arange(1000))
    view = f.getbuffer()
    array = np.frombuffer(view, dtype=np.uint8)
    np.save(f, np.arange(5))
    assert bytes(array) == f.getvalue()[: len(array)]
    f.seek(0)
    assert np.load(f).sum() == 499500
    assert list(np.load(f)) == [0, 1, 2, 3, 4]
    with pytest.raises(BufferError):
        f.close()
    del array
    view.release()
    f.close()
