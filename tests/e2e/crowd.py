# SPDX-License-Identifier: BSD-2-Clause
"""Many connections at once.

    crowd.py serve PORT          answers each line of a connection with the same line, and closes when the other side does
    crowd.py count PORT          counts datagrams of UDP; "count" is answered by their number, "ask" by SEGMENTS at once
    crowd.py datagrams ADDRESS PORT N   sends N datagrams, each from a port of its own
    crowd.py segments ADDRESS PORT   sends SEGMENTS at once three times, and asks three times: prints how many came there and back
    crowd.py come ADDRESS PORT   reads commands: "open N" opens N connections at once and prints how many were answered; those
                                 that were not are reset. "close N" closes N of them in order. "reset N" resets them. "hide N" does so
                                 with a hop limit of 1. "talk all" prints how many still answer.
"""
import asyncio
import socket
import struct
import sys

SEGMENTS, SEGMENT, UDP_SEGMENT = 10, 100, 103  # the last from linux/udp.h
SILENCE = 1.0  # seconds without an answer: there is none
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


def reset(connection, hidden=False):
    sock = connection[1].get_extra_info("socket")
    if hidden and sock.family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
    elif hidden:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 1)
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


async def talks(connection):
    """Returns true if it still answers."""
    try:
        async with asyncio.timeout(2 * PATIENCE):
            connection[1].write(b"again\n")
            return await connection[0].readline() == b"again\n"
    except (TimeoutError, OSError):
        return False


async def come(address, port):
    held = []
    for line in iter(sys.stdin.readline, ""):
        word, number = line.split()
        if word == "open":
            tries = await asyncio.gather(*(connect(address, port) for _ in range(int(number))))
            held += (answered := [one for one in tries if one])
            print(len(answered), flush=True)
            continue
        if word == "talk":
            print(sum(await asyncio.gather(*(talks(one) for one in held))), flush=True)
            continue
        for connection in [held.pop() for _ in range(int(number))]:
            if word in ("reset", "hide"):
                reset(connection, word == "hide")
            else:
                connection[1].close()
                await connection[1].wait_closed()
        print("done", flush=True)


def segments_send(sock, to):
    """Sends them as one, which the kernel carries as one packet."""
    size = struct.pack("H", SEGMENT)
    sock.sendmsg([b"x" * SEGMENT * SEGMENTS], [(socket.SOL_UDP, UDP_SEGMENT, size)], 0, to)


def count(port):
    sock, there = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM), 0
    sock.bind(("::", port))
    while True:
        data, sender = sock.recvfrom(65536)
        if data == b"ask":
            segments_send(sock, sender)
        elif data == b"count":
            sock.sendto(str(there).encode(), sender)
        else:
            there += 1


def datagrams(address, port, number):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(number):
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"one flow each", (address, port))


def segments(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sender, asker, reader = (socket.socket(family, socket.SOCK_DGRAM) for _ in range(3))
    asker.settimeout(SILENCE)
    reader.settimeout(10 * PATIENCE)  # the other side answers this question
    for _ in range(3):
        segments_send(sender, (address, port))
    reader.sendto(b"count", (address, port))
    there, back = int(reader.recv(100)), 0
    for _ in range(3):
        asker.sendto(b"ask", (address, port))
        try:
            while asker.recv(65536):
                back += 1
        except TimeoutError:
            pass
    print(there, back)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve(int(sys.argv[2])))
    elif sys.argv[1] == "count":
        count(int(sys.argv[2]))
    elif sys.argv[1] == "datagrams":
        datagrams(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    elif sys.argv[1] == "segments":
        segments(sys.argv[2], int(sys.argv[3]))
    else:
        asyncio.run(come(sys.argv[2], int(sys.argv[3])))
