# SPDX-License-Identifier: BSD-2-Clause
"""Connections and calls that go on for minutes, and an outside prober with who counts what came of it (tools/drill).
Each runs until SIGTERM; `serve`, `keep` and `watch` answer SIGUSR1 by a line of JSON and go on.

  serve PORT                          echoes TCP; of UDP remembers the first address of each call and speaks to that one
  keep PORT TCP UDP ADDRESS...        TCP connections and UDP calls, spread over the addresses
  probe ADDRESS... -- TARGET,PORT,KIND...
                                      from each address, to each target: datagrams; of kind `all` SYNs and stray segments, too
  watch DEVICE ADDRESS...             notes when packets from these addresses arrive, by destination port
"""
import itertools
import json
import os
import random
import selectors
import signal
import socket
import struct
import sys
import time

from echo import family_of, listener, plain

RECORD = struct.Struct("!QQ")  # number of the call or connection, number of its message
TCP_PACE, UDP_PACE = 0.25, 0.05  # seconds between two messages of one of them
PROBE_PACE = 0.02
TICK = 0.02
ETH_ALL = 3
IPV4_TYPE, IPV6_TYPE = 0x0800, 0x86DD
SYN, PSH, ACK = 0x02, 0x08, 0x10
running, asked = True, False


def end(_signal, _frame):
    global running
    running = False


def ask(_signal, _frame):
    global asked
    asked = True


def tell(**facts):
    print(json.dumps(facts), flush=True)


def told(**facts):
    """Answers SIGUSR1, if it came."""
    global asked
    if asked:
        asked = False
        tell(**facts)


class Server:
    """The other end of all lines. A call whose packets come from another address than its first one has moved: a telephone would be deaf."""

    def __init__(self, port):
        self.selector = selectors.DefaultSelector()
        self.udp, self.tcp = listener(socket.SOCK_DGRAM, port), listener(socket.SOCK_STREAM, port)
        self.tcp.listen(1024)
        self.selector.register(self.udp, selectors.EVENT_READ, self.hear)
        self.selector.register(self.tcp, selectors.EVENT_READ, self.accept)
        self.peers, self.moved, self.spoken, self.next = {}, {}, 0, 0.0

    def accept(self, tcp):
        peer = tcp.accept()[0]
        peer.setblocking(False)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.selector.register(peer, selectors.EVENT_READ, self.echo)

    def echo(self, peer):
        try:
            data = peer.recv(65536)
            if data:
                peer.send(data)
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self.selector.unregister(peer)
        peer.close()

    def hear(self, udp):
        try:
            while True:
                data, peer = udp.recvfrom(2048)
                call = RECORD.unpack_from(data)[0]
                if self.peers.setdefault(call, peer) != peer:
                    self.moved[call] = plain(peer[0]) + f":{peer[1]}"
        except OSError:
            pass

    def speak(self):
        self.spoken += 1
        self.next = time.monotonic() + UDP_PACE
        for call, peer in self.peers.items():
            try:
                self.udp.sendto(RECORD.pack(call, self.spoken), peer)
            except OSError:
                pass

    def serve(self):
        tell(ready=True)
        while running:
            for key, _ in self.selector.select(TICK):
                key.data(key.fileobj)
            if time.monotonic() >= self.next:
                self.speak()
            told(calls=len(self.peers), moved=self.moved)


class Line:
    """A connection or a call: when it was heard last, and why it is lost."""

    def __init__(self, number, kind, address, port):
        self.number, self.kind, self.name = number, kind, f"{'tcp' if kind == socket.SOCK_STREAM else 'udp'} {number} to {address}"
        self.sent = self.heard = self.longest = 0
        self.lost, self.rest = None, b""
        self.next = random.uniform(0, TCP_PACE) + time.monotonic()
        self.sock = socket.socket(family_of(address), kind)
        self.sock.settimeout(10)
        self.sock.connect((address, port))
        if kind == socket.SOCK_STREAM:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.at = time.monotonic()

    def hear(self):
        """Takes in what has come. An ICMP error concerns no call: telephones go on, too."""
        try:
            data = self.sock.recv(65536)
        except OSError as error:
            if self.kind == socket.SOCK_STREAM and not isinstance(error, BlockingIOError):
                self.lost = str(error)
            return
        if self.kind == socket.SOCK_STREAM and not data:
            self.lost = "closed by the other side"
        self.rest += data
        while len(self.rest) >= RECORD.size:
            self.take(self.rest[:RECORD.size])
            self.rest = self.rest[RECORD.size:]

    def take(self, record):
        call, number = RECORD.unpack(record)
        if call != self.number:
            self.lost = f"hears {call}"
        elif self.kind == socket.SOCK_STREAM and number != self.heard + 1:
            self.lost = f"hears message {number} behind {self.heard}"
        self.heard = number
        self.longest = max(self.longest, time.monotonic() - self.at)
        self.at = time.monotonic()

    def speak(self):
        """Says its next message; a connection waits until the one before is answered."""
        is_tcp = self.kind == socket.SOCK_STREAM
        self.next += TCP_PACE if is_tcp else UDP_PACE
        if is_tcp and self.heard != self.sent:
            return
        try:
            self.sock.send(RECORD.pack(self.number, self.sent + 1))
            self.sent += 1
        except OSError as error:
            if is_tcp:
                self.lost = str(error)


def lines_are(lines):
    now = time.monotonic()
    return {"lost": {line.name: line.lost for line in lines if line.lost},
            "silent": {line.name: round(now - line.at, 1) for line in lines if not line.lost and now - line.at > 2},
            "longest": round(max([line.longest for line in lines if not line.lost], default=0), 2)}


def keep(port, tcp_count, udp_count, *addresses):
    selector = selectors.DefaultSelector()
    kinds = [socket.SOCK_STREAM] * int(tcp_count) + [socket.SOCK_DGRAM] * int(udp_count)
    first = os.getpid() << 16
    lines = [Line(first + i, kind, addresses[i % len(addresses)], int(port)) for i, kind in enumerate(kinds)]
    for line in lines:
        selector.register(line.sock, selectors.EVENT_READ, line)
    tell(ready=True)
    while running:
        for key, _ in selector.select(TICK):
            key.data.hear()
        for line in lines:
            if line.lost and line.sock.fileno() >= 0:
                selector.unregister(line.sock)
                line.sock.close()
            elif not line.lost and time.monotonic() >= line.next:
                line.speak()
        told(**lines_are(lines))


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def segment(source, target, sport, dport, flags):
    """A TCP segment with a right checksum and numbers of no connection."""
    family = family_of(source)
    head = struct.pack("!HHIIBBHHH", sport, dport, random.getrandbits(32), random.getrandbits(32), 0x50, flags, 8192, 0, 0)
    pseudo = socket.inet_pton(family, source) + socket.inet_pton(family, target) + struct.pack("!II", socket.IPPROTO_TCP, len(head))
    return head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:]


def probe_once(source, target, port, kind, fresh):
    """A datagram from a port that was not used before; unless `kind` says udp, also segments from ports that answers come from."""
    family = family_of(source)
    with socket.socket(family, socket.SOCK_DGRAM) as udp, \
         socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
        raw.bind((source, 0))
        udp.bind((source, fresh))
        udp.sendto(b"probe", (target, port))
        if kind == "udp":
            return
        for flags in (SYN, ACK, PSH | ACK, SYN | ACK):
            raw.sendto(segment(source, target, random.choice((53, 80, 443, fresh)), port, flags), (target, 0))


def probe(*words):
    at = words.index("--")
    sources, targets = words[:at], [word.split(",") for word in words[at + 1:]]
    pairs = [(source, target, int(port), kind) for source in sources for target, port, kind in targets
             if family_of(source) == family_of(target)]
    rounds, ports = 0, itertools.cycle(range(1024, 65536))
    tell(ready=True)
    while running:
        for source, target, port, kind in pairs:
            try:
                probe_once(source, target, port, kind, next(ports))
            except OSError:
                pass  # no route for a moment: go on
        rounds += 1
        time.sleep(PROBE_PACE)
    tell(rounds=rounds)


def transport_of(frame, kind):
    """Returns (source, protocol, bytes behind the IP header) of a packet without fragments and extension headers."""
    if kind == IPV4_TYPE:
        return socket.inet_ntop(socket.AF_INET, frame[12:16]), frame[9], frame[(frame[0] & 15) * 4:]
    return socket.inet_ntop(socket.AF_INET6, frame[8:24]), frame[6], frame[40:]


def watch(device, *addresses):
    arrivals = []
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_ALL))
    sock.bind((device, ETH_ALL))
    sock.settimeout(TICK)
    tell(ready=True)
    while running:
        told(arrivals=arrivals)
        try:
            frame, where = sock.recvfrom(256)
        except OSError:
            continue
        if where[2] == socket.PACKET_OUTGOING or where[1] not in (IPV4_TYPE, IPV6_TYPE):
            continue
        source, proto, rest = transport_of(frame, where[1])
        if source in addresses and proto in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
            arrivals.append((time.monotonic(), struct.unpack_from("!H", rest, 2)[0], proto, source))


def main(command, *words):
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGUSR1, ask)
    {"serve": lambda port: Server(int(port)).serve(), "keep": keep, "probe": probe, "watch": watch}[command](*words)


if __name__ == "__main__":
    main(*sys.argv[1:])
