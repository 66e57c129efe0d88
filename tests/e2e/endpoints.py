# SPDX-License-Identifier: BSD-2-Clause
"""Many inner endpoints speak to several peers at once, and the peers tell by which outer ones they heard them.

  endpoints.py hear ADDRESS FIRST-PORT PEERS            prints a line when it listens; at the end of its input, what it heard
  endpoints.py send FIRST-PORT COUNT ADDRESS PORT PEERS [OWN-ADDRESS]
                                                        from each of COUNT ports a datagram to each peer

A peer is a port of the server, from the first on. Datagrams carry the port that they were sent from.
"""
import json
import select
import socket
import sys

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


if __name__ == "__main__":
    words = [int(word) if word.isdigit() else word for word in sys.argv[2:]]
    {"hear": hear, "send": send}[sys.argv[1]](*words)
