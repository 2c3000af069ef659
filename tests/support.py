"""What the tests share: child processes, invariants, and ways to make a buffer of a given tier.

The one thing a reader would get wrong: `b.address` pins the storage of a buffer, so a test that
only wants to look uses `start_of()`, which leaves the buffer as free to move as it was.
"""

from __future__ import annotations

import ctypes
import gc
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import growable
from growable import Buffer

EXPORTED_MESSAGE = "Existing exports of data: object cannot be re-sized"
PAGE = int(growable.info()["page_size"])

_as_string = ctypes.pythonapi.PyByteArray_AsString
_as_string.restype = ctypes.c_void_p
_as_string.argtypes = [ctypes.py_object]


class SubBuffer(Buffer):
    """A Python subclass that adds nothing but a `__dict__`."""


def shown(value: object) -> str:
    """Return the repr without addresses: a test's name is the same in every process."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def _small(kind: type[Buffer], content: bytes) -> Buffer:
    return kind(content)


def _heap(kind: type[Buffer], content: bytes) -> Buffer:
    buffer = kind(content + bytes(1500))
    del buffer[len(content) :]
    return buffer


def _reserved(kind: type[Buffer], content: bytes) -> Buffer:
    buffer = kind(content)
    memoryview(buffer).release()
    return buffer


def _capacity(kind: type[Buffer], content: bytes) -> Buffer:
    return kind(content, capacity=len(content) + (64 << 20))


TIERS: dict[str, Callable[[type[Buffer], bytes], Buffer]] = {
    "small": _small,
    "heap": _heap,
    "reserved": _reserved,
    "capacity": _capacity,
}


def start_of(buffer: bytearray) -> int:
    """Return the address of the first byte without pinning it."""
    address = _as_string(buffer)
    assert isinstance(address, int)
    return address


def byte_after(buffer: bytearray) -> int:
    """Return the byte that stands one past the end, which is always accessible."""
    return ctypes.string_at(start_of(buffer) + len(buffer), 1)[0]


def address_of(view: Any) -> int:
    """Return the address of the first byte that a writable view shows."""
    return ctypes.addressof(ctypes.c_char.from_buffer(view))


def pattern(size: int, salt: int = 0) -> bytes:
    """Return `size` bytes in which neighbouring pages differ."""
    block = bytes((i * 7 + (i >> 8) * 13 + salt) & 0xFF for i in range(4096 + 251))
    return (block * (size // len(block) + 1))[:size]


def check(buffer: Buffer, content: bytes | bytearray | None = None) -> None:
    """Assert the invariants of a live buffer, and its contents where they are given."""
    assert len(buffer) <= buffer.committed <= buffer.capacity
    assert byte_after(buffer) == 0
    if content is not None:
        assert len(buffer) == len(content)
        assert bytearray.__eq__(buffer, content) is True
        assert bytes(buffer) == bytes(content)


def state_of(buffer: Buffer) -> tuple[bytes, int, int]:
    """Return what an operation that fails must leave as it was."""
    return bytes(buffer), len(buffer), buffer.exports


def run_child(
    code: str,
    *args: str,
    env: Mapping[str, str] | None = None,
    ulimit: str = "",
    check_exit: bool = True,
    options: Sequence[str] = (),
) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own, which may be killed without harm to the run.

    `ulimit` is what stands after the shell's `ulimit`, such as `-v 4000000`; where there is no such
    shell the test that asks for it is skipped.
    """
    if ulimit and sys.platform == "win32":
        import pytest  # Here, not above: the children import this file too.

        pytest.skip("posix only: sets a limit by the shell's ulimit")
    here = os.path.dirname(os.path.abspath(__file__))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([here, *_inherited_path()])}
    environment["PYTHONFAULTHANDLER"] = "1"
    environment.update(env or {})
    command = [sys.executable, *options, "-c", textwrap.dedent(code), *args]
    if ulimit:
        command = ["/bin/sh", "-c", f'ulimit {ulimit} || exit 77; exec "$@"', "sh", *command]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if check_exit:
        assert result.returncode == 0, (
            f"the child ended with {result.returncode}\n--- stdout\n{result.stdout}"
            f"\n--- stderr\n{result.stderr}"
        )
    return result


def _inherited_path() -> list[str]:
    given = os.environ.get("PYTHONPATH")
    return given.split(os.pathsep) if given else []


def blocks_kept_by(operation: Callable[[], object], rounds: int = 400) -> float:
    """Return how many allocator blocks each call of `operation` leaves behind.

    The first rounds fill caches and free lists; only the growth after them counts.
    """
    for _ in range(50):
        operation()
    best = float("inf")
    for _ in range(3):
        gc.collect()
        before = sys.getallocatedblocks()
        for _ in range(rounds):
            operation()
        gc.collect()
        best = min(best, (sys.getallocatedblocks() - before) / rounds)
    return best


def under_sanitizer() -> bool:
    """Return whether a sanitizer's run time is loaded into this process."""
    return "libasan" in os.environ.get("LD_PRELOAD", "") or "libtsan" in os.environ.get(
        "LD_PRELOAD", ""
    )
