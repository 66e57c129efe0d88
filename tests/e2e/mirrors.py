# SPDX-License-Identifier: BSD-2-Clause
"""Small programs that tell what becomes of addresses on the way. Each prints lines of JSON.

  mirror ADDRESS PORT ...            answers every datagram and every connection with the address it came from
  seen PORT ADDRESS PORT ...         from one port (0: any) asks mirrors by UDP, prints what each saw
  seen-tcp PORT ADDRESS PORT ...     the same with a connection to each
  seen-without-checksum PORT ...     the same as `seen`, with datagrams whose checksum is 0
  listen PORT                        takes datagrams and connections and tells of each
  punch udp|tcp PORT MIRROR PORT     tells its address outside, reads that of a peer who does the same, and talks to it
"""
import json
import select
import signal
import socket
import sys
import time

PATIENCE = 2.0  # seconds for an answer
PUNCHING = 6.0  # seconds for two peers to meet
SO_NO_CHECK = 11


def tell(**facts):
    print(json.dumps(facts), flush=True)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def open_socket(kind, address, port):
    sock = socket.socket(family_of(address), kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind((address, port))
    return sock


def any_address(address):
    return "::" if ":" in address else "0.0.0.0"


def pairs(words):
    return list(zip(words[::2], words[1::2]))


def mirror(*words):
    listeners = []
    for address, port in pairs(words):
        listeners.append(open_socket(socket.SOCK_DGRAM, address, port))
        listeners.append(open_socket(socket.SOCK_STREAM, address, port))
        listeners[-1].listen(16)
    tell(ready=True)
    while True:
        for sock in select.select(listeners, [], [])[0]:
            if sock.type == socket.SOCK_DGRAM:
                _, peer = sock.recvfrom(2048)
                sock.sendto(json.dumps(peer[:2]).encode(), peer)
            else:
                connection, peer = sock.accept()
                connection.sendall(json.dumps(peer[:2]).encode())
                connection.close()


def ask_each(sock, places):
    """Asks one after the other; the answer of one that does not answer in time is None."""
    answers = []
    for place in places:
        answers.append(None)
        sock.sendto(b"who am I?", place)
        end = time.monotonic() + PATIENCE
        while answers[-1] is None and time.monotonic() < end:
            try:
                data, peer = sock.recvfrom(2048)
            except OSError:
                continue  # nothing yet, or an ICMP error
            if peer[:2] == place:
                answers[-1] = json.loads(data)
    return answers


def seen(port, *words, checksum=True):
    places = pairs(words)
    with open_socket(socket.SOCK_DGRAM, any_address(places[0][0]), port) as sock:
        sock.settimeout(0.1)
        if not checksum:
            sock.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
        tell(seen=ask_each(sock, places), port=sock.getsockname()[1])


def seen_without_checksum(port, *words):
    seen(port, *words, checksum=False)


def seen_tcp(port, *words):
    answers = []
    for place in pairs(words):
        with open_socket(socket.SOCK_STREAM, any_address(place[0]), port) as sock:
            sock.settimeout(PATIENCE)
            try:
                sock.connect(place)
                answers.append(json.loads(sock.recv(2048)))
            except (OSError, ValueError):
                answers.append(None)
    tell(seen=answers)


def listen(port):
    udp = open_socket(socket.SOCK_DGRAM, "0.0.0.0", port)
    tcp = open_socket(socket.SOCK_STREAM, "0.0.0.0", port)
    tcp.listen(16)
    tell(ready=True)
    while True:
        for sock in select.select([udp, tcp], [], [])[0]:
            if sock is udp:
                data, peer = udp.recvfrom(2048)
                udp.sendto(b"here", peer)
                tell(datagram=data.decode(errors="replace"), peer=peer)
            else:
                connection, peer = tcp.accept()
                connection.sendall(b"here")
                connection.close()
                tell(connection=True, peer=peer)


def read_peer():
    address, port = json.loads(sys.stdin.readline())
    return address, port


def punch_udp(port, place):
    with open_socket(socket.SOCK_DGRAM, any_address(place[0]), port) as sock:
        sock.settimeout(0.1)
        tell(outside=ask_each(sock, [place])[0])
        peer, end, heard = read_peer(), time.monotonic() + PUNCHING, 0
        while time.monotonic() < end and heard < 5:
            sock.sendto(b"hello", peer)
            try:
                data, source = sock.recvfrom(2048)
                heard += data == b"hello" and source[:2] == peer
            except OSError:
                pass
            time.sleep(0.05)
        for _ in range(5):  # the peer may have missed the first ones
            sock.sendto(b"hello", peer)
        tell(heard=heard)


def connect_or_none(port, peer):
    sock = open_socket(socket.SOCK_STREAM, any_address(peer[0]), port)
    sock.settimeout(1.0)
    try:
        sock.connect(peer)
        return sock
    except OSError:
        sock.close()
        time.sleep(0.02)
        return None


def punch_tcp(port, place):
    with open_socket(socket.SOCK_STREAM, any_address(place[0]), port) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(place)
        tell(outside=json.loads(sock.recv(2048)))
    peer, end, heard = read_peer(), time.monotonic() + PUNCHING, 0
    while time.monotonic() < end and not heard:
        sock = connect_or_none(port, peer)
        if not sock:
            continue
        with sock:
            sock.sendall(b"hello")
            try:
                heard = sock.recv(2048) == b"hello"
            except OSError:
                pass
    tell(heard=int(heard))


def punch(kind, port, address, mirror_port):
    {"udp": punch_udp, "tcp": punch_tcp}[kind](port, (address, mirror_port))


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    command, *words = sys.argv[1:]
    words = [int(word) if word.isdigit() else word for word in words]
    {"mirror": mirror, "seen": seen, "seen-tcp": seen_tcp, "seen-without-checksum": seen_without_checksum,
     "listen": listen, "punch": punch}[command](*words)


if __name__ == "__main__":
    main()
