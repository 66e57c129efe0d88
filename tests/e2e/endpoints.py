# SPDX-License-Identifier: BSD-2-Clause
"""Many inner endpoints speak to several peers at once, and the peers tell by which outer ones they heard them.

  endpoints.py hear ADDRESS FIRST-PORT PEERS [PIPE]     prints a line when it listens; at the end of its input, what it heard
  endpoints.py send FIRST-PORT COUNT ADDRESS PORT PEERS [OWN-ADDRESS [PIPE]]
                                                        from each of COUNT ports a datagram to each peer
  endpoints.py accept ADDRESS PORT                      prints a line when it listens; holds all connections, reads nothing
  endpoints.py hold ADDRESS PORT COUNT SECONDS          opens connections, prints a line; prints how many were reset in time

A peer is a port of the server, from the first on. Datagrams carry the port that they were sent from.

PIPE is the number of an open file, by which who hears tells who sends of each datagram: then no more are under way than every
queue of the kernel holds (a CPU's backlog takes 1,000), and who sends ends when all were heard. None may be lost, however busy
the machine is. Without it some may still be under way when who sends ends, so who hears goes on until nothing has come for a
while.
"""
import json
import os
import select
import socket
import sys
import time

ROOM = 32 << 20  # octets that may wait
UNDER_WAY = 512  # datagrams
QUIET = 2  # seconds without one, after which all are taken to have come


def udp(address, port):
    one = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    one.setsockopt(socket.SOL_SOCKET, 33, ROOM)  # SO_RCVBUFFORCE
    one.bind((address, port))
    return one


def hear(address, first, peers, pipe=None):
    """Prints for each inner port the outer ports that all peers together have seen, and how many heard it."""
    sockets = [udp(address, first + n) for n in range(peers)]
    seen, heard = {}, {}
    print("listening", flush=True)
    while True:
        ready = select.select([*sockets, sys.stdin], [], [])[0]
        if ready == [sys.stdin] and not select.select(sockets, [], [], 0 if pipe is not None else QUIET)[0]:
            break
        for one in ready:
            if one is not sys.stdin:
                data, sender = one.recvfrom(64)
                seen.setdefault(data.decode(), set()).add(sender[1])
                heard[data.decode()] = heard.get(data.decode(), 0) + 1
                if pipe is not None:
                    os.write(pipe, b"x")
    print(json.dumps({port: [heard[port], *sorted(outer)] for port, outer in seen.items()}), flush=True)


def wait_until_heard(pipe, seconds=30):
    """Returns how many datagrams more were heard. Ends the program if none is: one was lost."""
    if not select.select([pipe], [], [], seconds)[0]:
        sys.exit("datagrams were lost: nothing more was heard")
    return len(os.read(pipe, 4096))


def send(first, count, address, port, peers, own_address="", pipe=None):
    """Back to back, so that the datagrams of one endpoint are judged at the same time where there are several CPUs."""
    under_way = 0
    for own in range(first, first + count):
        if own == 7000:  # where the hosts of these networks answer (wires.PORT)
            continue
        under_way += peers
        while pipe is not None and under_way > UNDER_WAY:  # those of this endpoint included
            under_way -= wait_until_heard(pipe)
        with udp(own_address or ("::" if ":" in address else "0.0.0.0"), own) as one:
            for n in range(peers):
                one.sendto(str(own).encode(), (address, port + n))
    while pipe is not None and under_way:
        under_way -= wait_until_heard(pipe)


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
