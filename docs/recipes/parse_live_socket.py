"""Parse what a socket delivers while it is still delivering, without copying it.

An HTTP server sends a file of measurements. The client receives into the tail of one Buffer and
looks at it through memoryviews: one on the header, one on the numbers so far. Both are taken early
and are alive while megabytes arrive behind them. With a bytearray the first `recv` after taking a
view would raise BufferError.

    python docs/recipes/parse_live_socket.py
"""

from __future__ import annotations

import functools
import http.server
import math
import socket
import tempfile
import threading
from array import array
from pathlib import Path

from growable import Buffer

COUNT = 1_500_000
CHUNK = 256 * 1024


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def serve(folder: str) -> http.server.ThreadingHTTPServer:
    """Serve the files of a folder in the background."""
    handler = functools.partial(QuietHandler, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def fetch(port: int, path: str) -> tuple[dict[str, str], float, int, int]:
    """Return the headers, the largest number, how many there were and how often we looked."""
    received = Buffer()
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())

        # The header: receive until its end is there.
        while (end := received.find(b"\r\n\r\n")) < 0:
            assert received.read_from(sock, CHUNK), "the server hung up"
        body = end + 4
        header = memoryview(received)[:end]  # stays alive to the end
        where = received.address

        # The body: look at the new numbers after each receive, under a live view of them all.
        largest, seen, looks = -math.inf, 0, 0
        numbers = memoryview(received)[body:body].cast("d")
        while received.read_from(sock, CHUNK):  # grows while `header` and `numbers` are alive
            whole = (len(received) - body) // 8
            numbers = memoryview(received)[body : body + 8 * whole].cast("d")
            largest = max(largest, max(numbers[seen:], default=-math.inf))
            seen, looks = whole, looks + 1

    assert received.address == where  # nothing moved
    lines = bytes(header).decode("ascii").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    assert int(headers["Content-Length"]) == numbers.nbytes
    return headers, largest, len(numbers), looks


def main() -> None:
    """Write a file, serve it, and fetch it."""
    with tempfile.TemporaryDirectory() as folder:
        with Path(folder, "numbers").open("wb") as file:
            array("d", (math.sin(i / 1000) for i in range(COUNT))).tofile(file)
        server = serve(folder)
        try:
            headers, largest, count, looks = fetch(server.server_address[1], "/numbers")
        finally:
            server.shutdown()
            server.server_close()
    assert count == COUNT
    print(f"{headers['Content-Length']} bytes from {headers['Server'].split()[0]}")
    print(f"{count:,} numbers, the largest {largest:.6f}, seen in {looks} looks while they arrived")


if __name__ == "__main__":
    main()
