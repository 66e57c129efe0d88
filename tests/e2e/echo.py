# SPDX-License-Identifier: BSD-2-Clause
"""Small programs that answer, and that ask and count the answers. `serve`, `stream` and `fresh` run until they are told
to end (SIGTERM) and then print one line of JSON; run by lab.Host.python(program="echo.py").

  serve PORT                    answers datagrams and connections on IPv4 and IPv6 with the address that it sees as theirs
  reach ADDRESS PORT SECONDS    tries TCP, UDP and ping there, all at once; prints what answered: {"tcp": PEER, ...}
  stream ADDRESS PORT RATE      numbered datagrams from one port, RATE a second; tells how many were not answered
  fresh ADDRESS PORT RATE       the same, each from a port of its own
  frame DEVICE TYPE COUNT MAC   sends frames of an ethertype (hex) that carry an IPv4 or IPv6 packet behind what hides it
  hear DEVICE TYPE              counts frames of an ethertype that arrive
"""
import json
import selectors
import signal
import socket
import struct
import sys
import time

SO_RCVBUFFORCE = 33  # of asm-generic/socket.h
ROUND = 0.05  # seconds that are waited for an answer at a time
PATIENCE = 5  # seconds for the last answers, which come at once on a machine that is not busy
PPPOE, MPLS = 0x8864, 0x8847
IPV4_UDP = bytes.fromhex("4500001c00010000401100000a0100010a01000204d204d200080000")
running = True


def end(_signal, _frame):
    global running
    running = False


def tell(**facts):
    print(json.dumps(facts), flush=True)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def plain(address):
    """An IPv4 address as it is written, also from an IPv6 socket."""
    return address.removeprefix("::ffff:")


def listener(kind, port):
    sock = socket.socket(socket.AF_INET6, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 22)
    sock.bind(("::", port))
    if kind == socket.SOCK_STREAM:
        sock.listen(64)
    sock.setblocking(False)
    return sock


def answer_datagrams(udp):
    try:
        while True:
            data, peer = udp.recvfrom(2048)
            udp.sendto(data[:8] + plain(peer[0]).encode(), peer)
    except OSError:
        pass


def serve(port):
    selector = selectors.DefaultSelector()
    udp, tcp = listener(socket.SOCK_DGRAM, port), listener(socket.SOCK_STREAM, port)
    selector.register(udp, selectors.EVENT_READ)
    selector.register(tcp, selectors.EVENT_READ)
    connections = 0
    tell(ready=True)
    while running:
        for key, _ in selector.select(0.05):
            if key.fileobj is udp:
                answer_datagrams(udp)
                continue
            peer, address = tcp.accept()
            connections += 1
            with peer:
                peer.send(b"\0" * 8 + plain(address[0]).encode())
    tell(connections=connections)


def ping_socket(family, address):
    proto = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
    sock = socket.socket(family, socket.SOCK_RAW, proto)
    sock.connect((address, 0))
    kind = 128 if family == socket.AF_INET6 else 8
    number = 0x4b00 | (time.monotonic_ns() & 0xff)
    head = struct.pack("!BBHHH", kind, 0, 0, number, 1)
    total = sum(struct.unpack("!4H", head))
    checksum = ~((total & 0xffff) + (total >> 16)) & 0xffff
    sock.send(head[:2] + struct.pack("!H", checksum) + head[4:])
    return sock


def is_echo_reply(family, data):
    return data[0] == 129 if family == socket.AF_INET6 else data[20] == 0


def start_reaching(family, address, port):
    tcp = socket.socket(family, socket.SOCK_STREAM)
    tcp.setblocking(False)
    tcp.connect_ex((address, port))
    udp = socket.socket(family, socket.SOCK_DGRAM)
    udp.connect((address, port))
    udp.send(b"question")
    return {"tcp": tcp, "udp": udp, "ping": ping_socket(family, address)}


def take_answer(kind, family, sock):
    data = sock.recv(2048)
    if kind == "ping":
        return "yes" if is_echo_reply(family, data) else None
    return data[8:].decode() or None


def reach(address, port, seconds):
    family = family_of(address)
    selector = selectors.DefaultSelector()
    answers = {}
    try:
        waiting = start_reaching(family, address, port)
    except OSError:
        waiting = {}  # unreachable
    for kind, sock in waiting.items():
        selector.register(sock, selectors.EVENT_READ, kind)
    rounds = max(1, round(seconds / ROUND))  # no time of the clock: where others keep the processors, a round takes longer
    while len(answers) < len(waiting) and rounds:
        ready = selector.select(ROUND)
        rounds -= not ready
        for key, _ in ready:
            try:
                answer = take_answer(key.data, family, key.fileobj)
            except OSError:
                selector.unregister(key.fileobj)
                waiting = {kind: sock for kind, sock in waiting.items() if sock is not key.fileobj}
                continue
            if answer:
                answers[key.data] = answer
                selector.unregister(key.fileobj)
    tell(**answers)


class Asker:
    """Sends numbered datagrams and remembers which of them were answered."""

    def __init__(self, address, port):
        self.address, self.port, self.family = address, port, family_of(address)
        self.sent = 0
        self.answered = set()
        self.selector = selectors.DefaultSelector()
        self.socks = []

    def open(self):
        sock = socket.socket(self.family, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
        sock.connect((self.address, self.port))
        sock.setblocking(False)
        self.selector.register(sock, selectors.EVENT_READ)
        self.socks.append(sock)
        if len(self.socks) > 512:
            old = self.socks.pop(0)
            self.selector.unregister(old)
            old.close()
        return sock

    def ask(self, sock):
        try:
            sock.send(struct.pack("!Q", self.sent))
        except OSError:
            pass  # an ICMP error of before: this one is not sent, and counts as lost
        self.sent += 1

    def listen(self, seconds):
        for key, _ in self.selector.select(seconds):
            try:
                while True:
                    self.answered.add(struct.unpack_from("!Q", key.fileobj.recv(2048))[0])
            except OSError:
                pass


def ask_at_rate(address, port, rate, fresh):
    asker = Asker(address, port)
    sock = asker.open()
    began = time.monotonic()
    tell(ready=True, port=sock.getsockname()[1])
    while running:
        due = int((time.monotonic() - began) * rate)
        for _ in range(min(due - asker.sent, 50)):
            asker.ask(asker.open() if fresh else sock)
        asker.listen(0.001)
    finish = time.monotonic() + PATIENCE
    while len(asker.answered) < asker.sent and time.monotonic() < finish:
        asker.listen(0.05)
    lost = [number for number in range(asker.sent) if number not in asker.answered]
    tell(sent=asker.sent, lost=len(lost), first_lost=lost[:5])


def hidden(kind):
    """Returns the bytes between the Ethernet header and the packet."""
    if kind == PPPOE:
        return struct.pack("!BBHHH", 0x11, 0, 1, len(IPV4_UDP) + 2, 0x0021)
    if kind == MPLS:
        return struct.pack("!I", 16 << 12 | 1 << 8 | 64)
    return b""


def frame(device, kind, count, mac):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((device, 0))
        own = sock.getsockname()[4]
        data = bytes.fromhex(mac.replace(":", "")) + own + struct.pack("!H", kind) + hidden(kind) + IPV4_UDP
        for _ in range(count):
            sock.send(data.ljust(60, b"\0"))
    tell(sent=count)


def hear(device, kind):
    heard = 0
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind)) as sock:
        sock.bind((device, kind))
        sock.settimeout(0.05)
        tell(ready=True)
        while running:
            try:
                heard += sock.recvfrom(2048)[1][2] != socket.PACKET_OUTGOING
            except OSError:
                pass
    tell(heard=heard)


def main():
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    command, *words = sys.argv[1:]
    if command in ("stream", "fresh"):
        ask_at_rate(words[0], int(words[1]), int(words[2]), command == "fresh")
    elif command == "serve":
        serve(int(words[0]))
    elif command == "reach":
        reach(words[0], int(words[1]), float(words[2]))
    elif command == "frame":
        frame(words[0], int(words[1], 16), int(words[2]), words[3])
    elif command == "hear":
        hear(words[0], int(words[1], 16))


if __name__ == "__main__":
    main()
