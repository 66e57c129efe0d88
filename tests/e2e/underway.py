# SPDX-License-Identifier: BSD-2-Clause
"""Traffic that is under way while something happens to the firewall, and traffic that somebody invents.

    serve PORT...                        echoes what each TCP connection says, on every address of both families
    hold ADDRESS PORT COUNT [silent]     holds COUNT connections: every second one, or none, talks all the time
    invent ADDRESS COUNT PORT...         sends COUNT TCP segments without SYN to each port, from many ports
    sniff DEVICE SOURCE PORT...          counts the TCP segments that come from an IPv4 address to these ports
    answer PORT                          UDP: speaks to the last one who spoke for each line of its input
    hear ADDRESS PORT                    UDP: asks once by a connected socket, and counts further answers, one at least

Told to end by SIGTERM, `hold` lets each connection speak once more and prints, as JSON, how many there were and how many
were answered; `sniff` and `hear` print what they have counted.
"""
import asyncio
import contextlib
import ipaddress
import json
import signal
import socket
import struct
import sys

BEAT = 0.05  # s between two words of a connection that talks
PATIENCE = 20  # s for an answer: TCP repeats what was lost
WORD = 64
ACK, TCP = 0x10, 6


async def echo(reader, writer):
    try:
        while data := await reader.read(4096):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def serve(*ports):
    for port in ports:
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            await asyncio.start_server(echo, address, int(port), family=family, backlog=512)
    print("serving", flush=True)
    await asyncio.Event().wait()


class Held:
    """One connection."""

    def __init__(self, number, reader, writer):
        self.reader, self.writer, self.number, self.turn, self.error = reader, writer, number, 0, None

    async def speak(self):
        """Says a word and waits for the echo. Returns False, with the error noted, if it does not come."""
        self.turn += 1
        word = f"{self.number} {self.turn} ".ljust(WORD, ".").encode()
        try:
            self.writer.write(word)
            answer = await asyncio.wait_for(self.reader.readexactly(WORD), PATIENCE)
            self.error = None if answer == word else "another word came back"
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError) as error:
            self.error = repr(error)
        return self.error is None

    async def talk(self, over):
        while not over.is_set() and await self.speak():
            await asyncio.sleep(BEAT)


def told_to_end():
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    return over


async def hold(address, port, count, manner=""):
    over = told_to_end()
    held = [Held(number, *await asyncio.open_connection(address, int(port))) for number in range(int(count))]
    await asyncio.gather(*[one.speak() for one in held])
    print("holding", flush=True)
    await asyncio.gather(over.wait(), *[one.talk(over) for one in held[::2] if manner != "silent"])
    await asyncio.gather(*[one.speak() for one in held if not one.error])
    errors = [one.error for one in held if one.error]
    print(json.dumps({"held": len(held), "alive": len(held) - len(errors), "errors": sorted(set(errors))}), flush=True)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def segment(source, target, sport, dport, number):
    """A segment of TCP with ACK and no data."""
    text = struct.pack("!HHIIBBHHH", sport, dport, number, number, 5 << 4, ACK, 1000, 0, 0)
    fake = ipaddress.ip_address(source).packed + ipaddress.ip_address(target).packed + struct.pack("!HH", TCP, len(text))
    return text[:16] + struct.pack("!H", checksum(fake + text)) + text[18:]


async def invent(address, count, *ports):
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, TCP)
    sock.connect((address, 0))
    source = sock.getsockname()[0]
    for port in map(int, ports):
        for number in range(int(count)):
            sport = (22, 53, 80, 443, port, 1024 + number % 60000)[number % 6]
            sock.send(segment(source, address, sport, port, 7919 * number))
            if number % 50 == 0:
                await asyncio.sleep(0.01)
    print(json.dumps({"sent": int(count) * len(ports)}), flush=True)


async def sniff(device, source, *ports):
    over, seen = told_to_end(), set()
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
    sock.bind((device, 0x0800))
    sock.setblocking(False)
    wanted = ipaddress.ip_address(source).packed

    def take():
        data, whence = sock.recvfrom(128)
        if whence[2] != socket.PACKET_OUTGOING and data[9] == TCP and data[12:16] == wanted:
            pair = struct.unpack("!HH", data[20:24])
            if str(pair[1]) in ports:
                seen.add(pair)

    asyncio.get_running_loop().add_reader(sock, take)
    print("sniffing", flush=True)
    await over.wait()
    print(json.dumps({"pairs": sorted(seen)[:20], "count": len(seen)}), flush=True)


async def answer(port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("", int(port)))
    peer = sock.recvfrom(100)[1]
    sock.sendto(b"first", peer)
    print("asked", flush=True)
    for line in sys.stdin:
        sock.sendto(line.encode(), peer)


async def hear(address, port):
    over, heard = told_to_end(), []
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((address, int(port)))
    sock.send(b"question")
    sock.recv(100)
    sock.setblocking(False)
    another = asyncio.Event()

    def take():
        heard.append(sock.recv(100))
        another.set()

    asyncio.get_running_loop().add_reader(sock, take)
    print("heard", flush=True)
    await over.wait()
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(another.wait(), PATIENCE)
    await asyncio.sleep(0.5)
    print(json.dumps({"answers": len(heard)}), flush=True)


COMMANDS = {"serve": serve, "hold": hold, "invent": invent, "sniff": sniff, "answer": answer, "hear": hear}
if __name__ == "__main__":
    asyncio.run(COMMANDS[sys.argv[1]](*sys.argv[2:]))
