# SPDX-License-Identifier: BSD-2-Clause
"""Many connections at once.

    crowd.py serve PORT          answers each line of a connection with the same line, and closes when the other side does
    crowd.py come ADDRESS PORT   reads commands: "open N" opens N connections at once and prints how many were answered; those
                                 that were not are reset. "close N" closes N of them in order. "reset N" resets them.
"""
import asyncio
import socket
import struct
import sys

PATIENCE = 4.0  # seconds for an answer: two retransmissions of a SYN


async def answer(reader, writer):
    try:
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def serve(port):
    server = await asyncio.start_server(answer, None, port, family=socket.AF_UNSPEC, backlog=1024)
    await server.serve_forever()


def reset(connection):
    sock = connection[1].get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection[1].transport.abort()


async def connect(address, port):
    """Returns a connection that was answered, or None."""
    connection = None
    try:
        async with asyncio.timeout(PATIENCE):
            connection = await asyncio.open_connection(address, port)
            connection[1].write(b"hello\n")
            if await connection[0].readline() == b"hello\n":
                return connection
    except (TimeoutError, OSError):
        pass
    if connection:
        reset(connection)
    return None


async def come(address, port):
    held = []
    for line in iter(sys.stdin.readline, ""):
        word, number = line.split()
        if word == "open":
            tries = await asyncio.gather(*(connect(address, port) for _ in range(int(number))))
            held += (answered := [one for one in tries if one])
            print(len(answered), flush=True)
            continue
        for connection in [held.pop() for _ in range(int(number))]:
            if word == "reset":
                reset(connection)
            else:
                connection[1].close()
                await connection[1].wait_closed()
        print("done", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve(int(sys.argv[2])))
    else:
        asyncio.run(come(sys.argv[2], int(sys.argv[3])))
