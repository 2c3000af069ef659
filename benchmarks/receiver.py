"""Messages over a loopback connection: received into a Buffer under live views, or copied.

All receivers parse the same stream: messages of a 4 byte length and a body. They differ in storage:

    recv, +=        sock.recv, bytearray +=, body = bytes(slice)
    recv_into, +=   sock.recv_into a fixed block, bytearray += part of it, body = bytes(view[...])
    Buffer          Buffer.read_from, body = view[...]; no byte is copied after recv_into

A bytearray cannot grow while a view of it is alive. So the other two must copy each body out, and
let go of their views before more is received. The Buffer's receiver keeps the view of a message
alive while the rest of it arrives.

What a reader would get wrong: with small messages all of them are bound by Python's work for each
message. And nobody receives faster than the sender sends, which on a machine with few cores is
often what the time goes to; the CPU time of the receiver is the steadier figure.
"""

from __future__ import annotations

import argparse
import ctypes
import socket
import statistics
import struct
import subprocess
import sys
import time
from bisect import bisect_right
from collections.abc import Callable
from typing import Any, TypeAlias

from bench import EXIT_MISSED, environment, heading, positive, print_json, quiet, table
from growable import Buffer

Handle: TypeAlias = Callable[[Any], object]
Receive: TypeAlias = Callable[[Any, Handle], None]

CHUNK = 256 * 1024
WINDOW = 4 * CHUNK  # how far to go through the Buffer before its start is used again
HEAD = struct.Struct("!I")
OURS = "Buffer"
RECEIVE_NAME = "recv, +="
INTO_NAME = "recv_into, +="

SENDER = """
import socket, struct, sys
port, size, messages = map(int, sys.argv[1:])
message = struct.pack("!I", size) + (bytes(range(256)) * (size // 256 + 1))[:size]
together = max(1, (1 << 20) // len(message))
block = message * together
with socket.create_connection(("127.0.0.1", port)) as sock:
    for _ in range(messages // together):
        sock.sendall(block)
    sock.sendall(message * (messages % together))
"""


# The receivers. Each hands every body to `handle`.


def receive(sock: socket.socket, handle: Handle) -> None:
    waiting = bytearray()
    while chunk := sock.recv(CHUNK):
        waiting += chunk
        pos, end = 0, len(waiting)
        while end - pos >= 4:
            (size,) = HEAD.unpack_from(waiting, pos)
            if end - pos - 4 < size:
                break
            handle(bytes(waiting[pos + 4 : pos + 4 + size]))
            pos += 4 + size
        del waiting[:pos]


def receive_into(sock: socket.socket, handle: Handle) -> None:
    waiting = bytearray()
    block = memoryview(bytearray(CHUNK))
    while n := sock.recv_into(block):
        waiting += block[:n]
        pos, end = 0, len(waiting)
        with memoryview(waiting) as view:
            while end - pos >= 4:
                (size,) = HEAD.unpack_from(view, pos)
                if end - pos - 4 < size:
                    break
                handle(bytes(view[pos + 4 : pos + 4 + size]))
                pos += 4 + size
        del waiting[:pos]


def receive_under_views(sock: Any, handle: Handle) -> None:
    waiting = Buffer()
    pos, wanted = 0, CHUNK
    while waiting.read_from(sock, wanted):
        # The view of the round before is alive until here.
        view = memoryview(waiting)
        end, wanted = len(view), CHUNK
        while end - pos >= 4:
            (size,) = HEAD.unpack_from(view, pos)
            if end - pos - 4 < size:
                if pos >= WINDOW or size >= CHUNK:
                    wanted = 4 + size - (end - pos)  # the next message begins at the start again
                break
            handle(view[pos + 4 : pos + 4 + size])
            pos += 4 + size
        if pos == end:
            view.release()
            del waiting[:]
            pos = 0


RECEIVERS: dict[str, Receive] = {
    RECEIVE_NAME: receive,
    INTO_NAME: receive_into,
    OURS: receive_under_views,
}


# One connection.


def connect(size: int, messages: int) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        sender = subprocess.Popen(
            [sys.executable, "-S", "-c", SENDER, str(port), str(size), str(messages)]
        )
        sock, _ = listener.accept()
    return sock, sender


def count_of(size: int, total: int) -> int:
    return max(1, total // (size + 4))


def time_one(name: str, size: int, total: int) -> tuple[float, float]:
    """Return bytes a second, and bytes a second of the receiver's CPU time."""
    messages = count_of(size, total)
    seen = 0

    def handle(body: Any) -> None:
        nonlocal seen
        seen += body[0] + len(body) + body[-1]

    sock, sender = connect(size, messages)
    with sock:
        cpu, clock = time.process_time(), time.perf_counter()
        RECEIVERS[name](sock, handle)
        clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    sender.wait()
    last = (size - 1) % 256
    if seen != messages * (size + last):
        raise AssertionError(f"{name}: not all of the bytes arrived")
    amount = messages * (size + 4)
    return amount / clock, amount / max(cpu, 1e-9)


# Proof that nothing is copied.


class Witness:
    """A socket that remembers where each byte of the stream was received."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.received = 0
        self.offsets: list[int] = []
        self.addresses: list[int] = []

    def recv_into(self, view: memoryview) -> int:
        address = ctypes.addressof(ctypes.c_char.from_buffer(view))
        n = self.sock.recv_into(view)
        if n:
            self.offsets.append(self.received)
            self.addresses.append(address)
            self.received += n
        return n

    def address_of(self, offset: int) -> int:
        i = bisect_right(self.offsets, offset) - 1
        return self.addresses[i] + offset - self.offsets[i]


def prove(size: int, total: int) -> int:
    """Receive with Buffer; return how many bodies there were, each found where it was received."""
    sock, sender = connect(size, count_of(size, total))
    witness = Witness(sock)
    offset = proven = 0

    def handle(body: memoryview) -> None:
        nonlocal offset, proven
        first = ctypes.addressof(ctypes.c_char.from_buffer(body))
        received = range(offset + 4, offset + 4 + size)
        inside = [start for start in witness.offsets if start in received]
        for at in (received[0], received[-1], *inside):
            if witness.address_of(at) != first + at - received[0]:
                raise AssertionError("a byte was moved after it was received")
        offset += 4 + size
        proven += 1

    with sock:
        receive_under_views(witness, handle)
    sender.wait()
    return proven


# The command.


def measure(size: int, total: int, rounds: int) -> dict[str, Any]:
    names = list(RECEIVERS)
    speeds: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    with quiet():
        for number in range(rounds):
            for name in names[number % len(names) :] + names[: number % len(names)]:
                speeds[name].append(time_one(name, size, total))
    ours = speeds[OURS]
    row: dict[str, Any] = {"size": size, "proven": prove(size, min(total, 32 << 20))}
    for name in names:
        row[name] = {
            "bytes_per_second": statistics.median(clock for clock, _ in speeds[name]),
            "bytes_per_cpu_second": statistics.median(cpu for _, cpu in speeds[name]),
            "ratio": statistics.median(
                mine[0] / peer[0] for mine, peer in zip(ours, speeds[name], strict=True)
            ),
            "cpu_ratio": statistics.median(
                mine[1] / peer[1] for mine, peer in zip(ours, speeds[name], strict=True)
            ),
        }
    return row


def show(where: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    print(heading(where))
    print("MB a second, and MB a second of the receiver's CPU time;")
    print(f"ratio = {OURS} / other, the median of the rounds: above 1 {OURS} moves more.\n")
    lines = []
    for row in rows:
        for name in RECEIVERS:
            got = row[name]
            lines.append(
                [
                    f"{row['size']:,} bytes, {name}",
                    f"{got['bytes_per_second'] / 1e6:,.0f}",
                    f"{got['ratio']:.2f}",
                    f"{got['bytes_per_cpu_second'] / 1e6:,.0f}",
                    f"{got['cpu_ratio']:.2f}",
                ]
            )
    print(table(["messages of", "MB/s", "ratio", "MB/CPU s", "ratio"], lines))
    print(
        f"\nNo byte was copied after recv_into: checked by address for all "
        f"{sum(row['proven'] for row in rows):,} messages of a run each."
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Receive messages over loopback.")
    parser.add_argument("--sizes", type=positive, nargs="+", default=[16384, 131072, 1 << 20])
    parser.add_argument("--total", type=positive, default=256 << 20, help="bytes of a run")
    parser.add_argument("--rounds", type=positive, default=7)
    parser.add_argument("--smoke", action="store_true", help="does all of it run? no figures")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "--check", action="store_true", help="exit 1 when Buffer moves less than one of the others"
    )
    options = parser.parse_args()
    if options.smoke:
        options.total, options.rounds = 4 << 20, 1
    rows = [measure(size, options.total, options.rounds) for size in options.sizes]
    where = environment()
    if options.json:
        print_json({"environment": where, "sizes": rows})
    elif not options.smoke:
        show(where, rows)
    missed = any(row[name]["ratio"] < 1 for row in rows for name in RECEIVERS)
    return EXIT_MISSED if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
