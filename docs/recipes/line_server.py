"""Answer lines over TCP with asyncio: every line is read where it was received.

Many sensors send lines such as `kitchen 21.5`; each is answered with the average of what that
sensor has sent so far. Lines are taken as views of the Buffer that the transport writes into, and
parsed there. `async for line in stream` is shorter and copies each line once; the clients do that.

    python docs/recipes/line_server.py          # a server and some clients, and what they say
    python docs/recipes/line_server.py 8765     # a server until Ctrl-C; try `nc localhost 8765`
"""

from __future__ import annotations

import asyncio
import sys

from growable import aio

SENSORS = {"kitchen": 21.0, "cellar": 12.5, "attic": 30.25}
COUNT = 2000


def parse(line: memoryview) -> tuple[str, float]:
    """Return a line's name and number.

    Raises
    ------
    ValueError
        If it is not a name and a number.
    """
    name, number = str(line, "utf-8").split()
    return name, float(number)


async def serve(stream: aio.Stream) -> None:
    """Answer one connection's lines; what is wrong with one is its answer."""
    sums: dict[str, tuple[float, int]] = {}
    async with stream:  # closes it at the end
        while length := await stream.fill_until(b"\n"):
            with stream.view(length) as line:
                try:
                    name, number = parse(line)
                except ValueError as error:
                    stream.write(f"error: {error}\n".encode())
                else:
                    total, count = sums.get(name, (0.0, 0))
                    sums[name] = total, count = total + number, count + 1
                    stream.write(f"{name} {total / count:.3f}\n".encode())
            stream.consume(length)
            await stream.drain()  # a client that does not read is not read from


async def sensor(port: int, name: str, number: float) -> tuple[int, bytes]:
    """Send numbers and one line that is wrong; return how many lines came back, and the last."""
    answers, last = 0, b""
    async with await aio.open_connection("127.0.0.1", port) as stream:
        sending = asyncio.create_task(send(stream, name, number))
        async for line in stream:
            answers, last = answers + 1, line
            if line.startswith(b"error"):
                assert answers == 1, line
        await sending
    return answers, last


async def send(stream: aio.Stream, name: str, number: float) -> None:
    """Send what a sensor does, and then the end."""
    stream.write(b"warming up\n")
    for i in range(COUNT):
        stream.write(f"{name} {number + i % 2}\n".encode())
        await stream.drain()
    stream.write_eof()


async def try_it() -> None:
    """Start a server, and some clients at the same time."""
    server = await aio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        results = await asyncio.gather(*(sensor(port, *each) for each in SENSORS.items()))
    for (name, number), (answers, last) in zip(SENSORS.items(), results, strict=True):
        assert (answers, last) == (COUNT + 1, f"{name} {number + 0.5:.3f}\n".encode())
        print(f"{answers:,} answers, the last {last.decode().strip()!r}")


async def serve_at(port: int) -> None:
    """Serve for ever."""
    server = await aio.start_server(serve, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Serve at the port that is named, or try it."""
    try:
        asyncio.run(serve_at(int(sys.argv[1])) if len(sys.argv) > 1 else try_it())
    except KeyboardInterrupt:
        print("stopped")


if __name__ == "__main__":
    main()
