# SPDX-License-Identifier: BSD-2-Clause
"""Small programs that make traffic and notice what is missing. Each runs until it is told to end (SIGTERM) and
then prints one line of JSON; run by lab.Host.python().

  count PORT                    counts datagrams and connections that arrive, on IPv4 and IPv6
  probe ADDRESS PORT            sends a datagram and a SYN again and again, each from a fresh port, LEAST times at least
  ask ADDRESS PORT              sends one datagram and collects what comes back, one answer at least
  serve PORT                    sends numbered blocks on every connection
  follow ADDRESS PORT           connects there and checks that no block is missing or late, until LEAST have come at least

A block is late by how much longer it was on its way than the one before, from its sending until the kernel had it from the network.
On a machine where the sender or the network must wait for a processor it may be late, too. So it also tells how many packets were lost
for good, as the server's TCP knows it: what was sent again, and did not come twice (the follower's TCP says that: RFC 2883).
"""
import json
import selectors
import signal
import socket
import struct
import sys
import time

BLOCK = 1000  # bytes, of which the first tell its number, when it was sent, and how many packets had been lost then
HEAD = struct.Struct("!Qdi")
TCP_INFO_SIZE, SENT_AGAIN, CAME_TWICE = 232, 100, 216  # struct tcp_info, and where it has tcpi_total_retrans and tcpi_dsack_dups
WINDOW = 4 << 20  # bytes that wait until the follower has a processor
SO_TIMESTAMPNS = 35
TIMESTAMP = struct.Struct("qq")
PACE = 0.002  # seconds between two blocks
PATIENCE = 5  # seconds without a block until a connection is taken for lost
LEAST = 250  # more than any test wants, however slow the machine is
ANSWERING = 20  # seconds for an answer that must come
running = True


def end(_signal, _frame):
    global running
    running = False


def tell(**facts):
    print(json.dumps(facts), flush=True)


def open_listener(kind, port):
    sock = socket.socket(socket.AF_INET6, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", port))
    if kind == socket.SOCK_STREAM:
        sock.listen(16)
    sock.setblocking(False)
    return sock


def count(port):
    datagrams = connections = 0
    selector = selectors.DefaultSelector()
    udp, tcp = open_listener(socket.SOCK_DGRAM, port), open_listener(socket.SOCK_STREAM, port)
    selector.register(udp, selectors.EVENT_READ)
    selector.register(tcp, selectors.EVENT_READ)
    tell(ready=True)
    while running:
        for key, _ in selector.select(0.05):
            if key.fileobj is udp:
                udp.recv(2048)
                datagrams += 1
            else:
                tcp.accept()[0].close()
                connections += 1
    tell(datagrams=datagrams, connections=connections)


def probe(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sent = tries = 0
    pending = []
    tell(ready=True)
    while running or tries < LEAST:
        tries += 1
        with socket.socket(family, socket.SOCK_DGRAM) as udp:
            try:
                udp.sendto(b"probe", (address, port))
                sent += 1
            except OSError:
                pass  # an ICMP error came back, or no route yet: go on
        tcp = socket.socket(family, socket.SOCK_STREAM)
        tcp.setblocking(False)
        try:
            tcp.connect((address, port))
        except OSError:
            pass
        pending.append(tcp)
        if len(pending) > 64:
            pending.pop(0).close()
        time.sleep(PACE)
    tell(sent=sent)


def ask(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    answers = []
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.05)
        sock.sendto(b"question", (address, port))
        tell(ready=True, port=sock.getsockname()[1])
        last = time.monotonic() + ANSWERING
        while running or (not answers and time.monotonic() < last):
            try:
                answers.append(sock.recv(2048).decode())
            except OSError:
                pass  # nothing yet, or the server's "port unreachable", which an unconnected socket does not see
    tell(answers=answers)


def serve(port):
    listener = open_listener(socket.SOCK_STREAM, port)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    peers = {}
    tell(ready=True)
    while running:
        for _ in selector.select(0):
            peer = listener.accept()[0]
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer.setblocking(True)
            peers[peer] = 0
        for peer in list(peers):
            try:
                peer.sendall(HEAD.pack(peers[peer], time.time(), lost_by(peer)).ljust(BLOCK, b"."))
                peers[peer] += 1
            except OSError:
                del peers[peer]
        time.sleep(PACE)
    tell(done=True)


def lost_by(sock):
    """How many packets a connection has sent again because they were lost, not only late."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_SIZE)
    return struct.unpack_from("I", info, SENT_AGAIN)[0] - struct.unpack_from("I", info, CAME_TWICE)[0]


def receive_part(sock, size):
    """Receives something within PATIENCE, and when it came. A side that hears nothing asks, so that both sides of the connection speak."""
    last = time.monotonic() + PATIENCE
    while time.monotonic() < last:
        try:
            data, notes, _, _ = sock.recvmsg(size, 64)
        except socket.timeout:
            sock.send(b"?")
            continue
        stamps = [TIMESTAMP.unpack_from(stamp) for _, kind, stamp in notes if kind == SO_TIMESTAMPNS]
        return data, stamps[0][0] + stamps[0][1] / 1e9 if stamps else time.time()
    raise ConnectionError("told to end" if not running else "no answer")


def receive_block(sock):
    """Returns its number, how long it was on its way, and how many packets had been lost before."""
    data = b""
    while len(data) < BLOCK:
        part, came = receive_part(sock, BLOCK - len(data))
        if not part:
            raise ConnectionError("closed by the server")
        data += part
    number, sent, lost = HEAD.unpack_from(data)
    return number, came - sent, lost


def follow(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    wanted, before, latest, lost, first, error = 0, 0.0, 0.0, 0, None, None
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.settimeout(PATIENCE)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)
        sock.connect((address, port))
        sock.settimeout(0.1)
        tell(ready=True, port=sock.getsockname()[1])
        try:
            while running or wanted < LEAST:
                number, way, lost = receive_block(sock)
                if number != wanted:
                    raise ConnectionError(f"block {number} instead of {wanted}")
                wanted += 1
                first = lost if first is None else first  # its SYN+ACK may have been sent again
                latest, before = max(latest, way - before), way
        except OSError as problem:
            error = str(problem) if running else None
    tell(blocks=wanted, latest=latest, lost=lost - (first or 0), error=error)


def main():
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    command, *words = sys.argv[1:]
    words = [int(word) if word.isdigit() else word for word in words]
    {"ask": ask, "count": count, "probe": probe, "serve": serve, "follow": follow}[command](*words)


if __name__ == "__main__":
    main()
