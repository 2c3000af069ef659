"""What other processes do in the tests; importable by them under every start method."""

from __future__ import annotations

import time
from typing import Any

from growable import RingBuffer, Section


def send(ring: RingBuffer, messages: int, size: int) -> None:
    """Write messages whose bytes tell which one they are in."""
    for number in range(messages):
        ring.write(message(number, size), timeout=60)
    ring.close()


def send_by_name(name: str, messages: int, size: int) -> None:
    """Join a ring by the name of its section and write to it."""
    send(RingBuffer(10, section=Section.open(name)), messages, size)


def message(number: int, size: int) -> bytes:
    """Return what the message of that number holds."""
    return bytes((number * 31 + at) % 251 for at in range(251)) * (size // 251 + 1)


def double(given: RingBuffer, back: RingBuffer) -> None:
    """Take floats out of one ring and put twice of each into the other."""
    while True:
        try:
            values = given.read(timeout=60)
        except EOFError:
            break
        back.write(values * 2, timeout=60)
    back.close()


def write_and_hang(ring: RingBuffer, ready: Any) -> None:
    """Write, and wait to be killed."""
    ring.write(b"last words")
    ready.send(True)
    time.sleep(60)


def read_and_hang(ring: RingBuffer, ready: Any) -> None:
    """Read, and wait to be killed."""
    ring.read(1, timeout=60)
    ready.send(True)
    time.sleep(60)
