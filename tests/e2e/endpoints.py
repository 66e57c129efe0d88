# SPDX-License-Identifier: BSD-2-Clause
"""Many inner endpoints speak to several peers at once, and the peers tell by which outer ones they heard them.

  endpoints.py hear ADDRESS FIRST-PORT PEERS            prints a line when it listens; at the end of its input, what it heard
  endpoints.py send FIRST-PORT COUNT ADDRESS PORT PEERS [OWN-ADDRESS]
                                                        from each of COUNT ports a datagram to each peer
  endpoints.py accept ADDRESS PORT                      prints a line when it listens; holds all connections, reads nothing
  endpoints.py hold ADDRESS PORT COUNT SECONDS          opens connections, prints a line; prints how many were reset in time

A peer is a port of the server, from the first on. Datagrams carry the port that they were sent from.
"""
import json
import select
import socket
import sys
import time

ROOM = 32 << 20  # octets that may wait


def udp(address, port):
    one = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    one.setsockopt(socket.SOL_SOCKET, 33, ROOM)  # SO_RCVBUFFORCE
    one.bind((address, port))
    return one


def hear(address, first, peers):
    """Prints for each inner port the outer ports that all peers together have seen, and how many heard it."""
    sockets = [udp(address, first + n) for n in range(peers)]
    seen, heard = {}, {}
    print("listening", flush=True)
    while True:
        ready = select.select([*sockets, sys.stdin], [], [])[0]
        if ready == [sys.stdin]:
            break
        for one in ready:
            if one is not sys.stdin:
                data, sender = one.recvfrom(64)
                seen.setdefault(data.decode(), set()).add(sender[1])
                heard[data.decode()] = heard.get(data.decode(), 0) + 1
    print(json.dumps({port: [heard[port], *sorted(outer)] for port, outer in seen.items()}), flush=True)


def send(first, count, address, port, peers, own_address=""):
    """Back to back, so that the datagrams of one endpoint are judged at the same time where there are several CPUs."""
    for own in range(first, first + count):
        if own == 7000:  # where the hosts of these networks answer (wires.PORT)
            continue
        with udp(own_address or ("::" if ":" in address else "0.0.0.0"), own) as one:
            for n in range(peers):
                one.sendto(str(own).encode(), (address, port + n))


def accept(address, port):
    listener = socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                                    backlog=512)
    print("listening", flush=True)
    held = []
    while True:
        held.append(listener.accept()[0])


def hold(address, port, count, seconds):
    """Half of the connections send when they are told that the time begins, the others only wait."""
    held = [socket.create_connection((address, port), 20) for _ in range(count)]
    print("open", flush=True)
    sys.stdin.readline()
    end, reset = time.monotonic() + seconds, 0
    for n, one in enumerate(held):
        try:
            if n % 2:
                one.sendall(b"still there?")
            one.settimeout(max(end - time.monotonic(), 0.01))
            one.recv(1)
        except ConnectionResetError:
            reset += 1
        except TimeoutError:
            pass
    print(reset, flush=True)


if __name__ == "__main__":
    words = [int(word) if word.isdigit() else word for word in sys.argv[2:]]
    {"hear": hear, "send": send, "accept": accept, "hold": hold}[sys.argv[1]](*words)
