# SPDX-License-Identifier: BSD-2-Clause
"""Small programs that speak from one port to several places at the same time; run by lab.Host.python(program="clashes.py").

  serve PORT                                  answers every message with the address that it sees as the sender's, on IPv4
                                              and IPv6, by UDP and TCP, until it is ended
  talk udp|tcp PORT ROUNDS ADDRESS PORT ...   from one port to each place: all at once, then ROUNDS messages to each in turn;
                                              prints what each place answered last, and how often
"""
import json
import select
import signal
import socket
import struct
import sys
import time

PATIENCE = 2.0  # seconds for an answer
MESSAGE = 512  # bytes of each


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def told(peer):
    return json.dumps([peer[0].removeprefix("::ffff:"), peer[1]]).ljust(MESSAGE).encode()


def serve_udp(port):
    """A socket for each address of the host, so that an answer leaves by the one that was asked."""
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    sock.bind(("::", port))
    return sock


def heard(sock):
    """A whole message, or nothing once the connection has ended."""
    try:
        return sock.recv(MESSAGE, socket.MSG_WAITALL)
    except OSError:
        return b""


def serve(port):
    datagrams = serve_udp(int(port))
    listener = socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
    socks = [datagrams, listener]
    print(json.dumps({"ready": True}), flush=True)
    while True:
        for sock in select.select(socks, [], [])[0]:
            if sock is listener:
                socks.append(sock.accept()[0])
            elif sock is datagrams:
                _, info, _, peer = sock.recvmsg(2048, 256)
                sock.sendmsg([told(peer)], info, 0, peer)
            elif heard(sock):
                sock.sendall(told(sock.getpeername()))
            else:
                socks.remove(sock)
                sock.close()


def open_socket(kind, port, place):
    sock = socket.socket(family_of(place[0]), socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("::" if ":" in place[0] else "0.0.0.0", port))
    sock.settimeout(PATIENCE)
    if kind == "tcp":  # ends with a reset: in TIME_WAIT the port would be this host's for a minute
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    try:
        sock.connect(place)
    except OSError:
        return None
    return sock


def exchange(sock, kind):
    """One message and its answer. Of what is connected only the place that was asked can answer."""
    try:
        sock.send(b"?" * MESSAGE)
        data = sock.recv(MESSAGE, socket.MSG_WAITALL if kind == "tcp" else 0)
    except OSError:
        return None
    return tuple(json.loads(data)) if data else None


def talk(kind, port, rounds, *words):
    places = [(address, int(number)) for address, number in zip(words[::2], words[1::2])]
    socks = [open_socket(kind, int(port), place) for place in places]
    answers, counts = [None] * len(places), [0] * len(places)
    for _ in range(int(rounds)):
        for n, sock in enumerate(socks):
            answer = sock and exchange(sock, kind)
            answers[n] = answer or answers[n]
            counts[n] += bool(answer)
        time.sleep(0.02)
    print(json.dumps({"seen": answers, "answers": counts}), flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    {"serve": serve, "talk": talk}[sys.argv[1]](*sys.argv[2:])
