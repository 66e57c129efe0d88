# SPDX-License-Identifier: BSD-2-Clause
"""Legitimate users during an attack, timed: new ones at a steady rate, and those who were there before (tools/siege).

  serve PORT                    echoes TCP connections of both families
  connect ADDRESS PORT RATE     RATE new TCP connections a second; each says a word and wants it back
  ask ADDRESS PORT RATE BYTES   RATE datagrams a second, each from a new socket; longer than the MTU they go in fragments
  ping ADDRESS RATE             RATE ICMP echo requests a second, each of a new identifier
  hold ADDRESS PORT COUNT FIRST COUNT connections from the ports that begin with FIRST, which speak ten times a second

Each runs until its standard input ends. For a line `FROM TO` (seconds of the monotonic clock) the users answer with a line of
JSON about what they began in that time, once it is over for all of them.
"""
import asyncio
import json
import os
import socket
import struct
import sys
import time

import underway

PATIENCE = 3.0  # s until a user gives up
STALL = 1.0  # s of silence that a user notices
BEAT = 0.1
WORD = 32
ECHO, ECHO6 = 8, 128


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def quantile(values, part):
    return round(values[min(int(len(values) * part), len(values) - 1)] * 1000, 2) if values else None


class Tries:
    """The users: when each began, and how long it took; None for one who gave up."""

    def __init__(self, stalls=False):
        self.tries, self.stalls, self.errors = [], stalls, {}

    def note(self, begun, took, error=None):
        self.tries.append((begun, took))
        if error:
            self.errors[error] = self.errors.get(error, 0) + 1

    def answer(self, first, last):
        chosen = [took for begun, took in self.tries if first <= begun < last]
        good = sorted(took for took in chosen if took is not None)
        facts = {"tried": len(chosen), "good": len(good), "p50": quantile(good, 0.5), "p99": quantile(good, 0.99)}
        if self.stalls:
            facts["stalls"] = sum(took is None or took > STALL for took in chosen)
        return {**facts, "errors": self.errors}


async def timed(tries, work):
    """Waits for a user, and notes what became of it. Returns False when it gave up."""
    begun = time.monotonic()
    try:
        await asyncio.wait_for(work, PATIENCE)
        tries.note(begun, time.monotonic() - begun)
        return True
    except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
        tries.note(begun, None, type(error).__name__)
        return False


async def lines():
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line.decode()


async def answer_questions(tries):
    print(json.dumps({"ready": True}), flush=True)
    async for line in lines():
        first, last = map(float, line.split())
        await asyncio.sleep(max(0, last + PATIENCE + 0.2 - time.monotonic()))
        print(json.dumps(tries.answer(first, last)), flush=True)


async def steadily(rate, one):
    """Starts one(number) `rate` times a second."""
    begun, number, running = time.monotonic(), 0, set()
    while True:
        task = asyncio.ensure_future(one(number))
        running.add(task)
        task.add_done_callback(running.discard)
        number += 1
        await asyncio.sleep(max(0, begun + number / rate - time.monotonic()))


async def users(rate, tries, one):
    work = asyncio.ensure_future(steadily(rate, one))
    await answer_questions(tries)
    work.cancel()


async def connect(address, port, rate):
    tries = Tries()

    async def visit():
        reader, writer = await asyncio.open_connection(address, int(port))
        try:
            writer.write(b"x" * WORD)
            await reader.readexactly(WORD)
        finally:
            writer.close()

    await users(float(rate), tries, lambda number: timed(tries, visit()))


async def ask(address, port, rate, size):
    tries, loop = Tries(), asyncio.get_running_loop()

    async def question(number):
        with socket.socket(family_of(address), socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.connect((address, int(port)))
            sock.send(struct.pack("!I", number).ljust(int(size), b"q"))
            await loop.sock_recv(sock, 65536)

    await users(float(rate), tries, lambda number: timed(tries, question(number)))


def icmp_sum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


async def ping(address, rate):
    six = ":" in address
    sock = socket.socket(family_of(address), socket.SOCK_RAW, socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
    sock.setblocking(False)
    tries, waiting = Tries(), {}

    def take():
        data = sock.recv(256)
        text = data if six else data[(data[0] & 15) * 4:]
        if len(text) >= 8 and text[0] == (129 if six else 0):
            one = waiting.pop(struct.unpack("!H", text[4:6])[0], None)
            if one and not one.done():
                one.set_result(True)

    async def echo(number):
        mark = (os.getpid() * 31 + number) & 0xffff
        text = struct.pack("!BBHHH", ECHO6 if six else ECHO, 0, 0, mark, number & 0xffff)
        waiting[mark] = answered = asyncio.get_running_loop().create_future()
        sock.sendto(text[:2] + struct.pack("!H", icmp_sum(text)) + text[4:], (address, 0))
        await answered

    asyncio.get_running_loop().add_reader(sock, take)
    await users(float(rate), tries, lambda number: timed(tries, echo(number)))


async def hold(address, port, count, first):
    """Who gives up comes back no more: it is lost, and counts as stalled from then on."""
    tries = Tries(stalls=True)

    async def one(number):
        reader, writer = await asyncio.open_connection(address, int(port), local_addr=None if first == "0" else (
            "::" if ":" in address else "0.0.0.0", int(first) + number))
        while True:
            async def speak():
                writer.write(b"h" * WORD)
                await reader.readexactly(WORD)

            if not await timed(tries, speak()):
                while True:
                    tries.note(time.monotonic(), None)
                    await asyncio.sleep(PATIENCE)
            await asyncio.sleep(BEAT)

    work = [asyncio.ensure_future(one(number)) for number in range(int(count))]
    await answer_questions(tries)
    for task in work:
        task.cancel()


async def serve(port):
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        await asyncio.start_server(underway.echo, address, int(port), family=family, backlog=4096)
    print(json.dumps({"ready": True}), flush=True)
    async for _ in lines():
        pass


if __name__ == "__main__":
    asyncio.run({"serve": serve, "connect": connect, "ask": ask, "ping": ping, "hold": hold}[sys.argv[1]](*sys.argv[2:]))
