# SPDX-License-Identifier: BSD-2-Clause
"""Small programs that tell how packets arrive: their code points, and the segments that a connection may have.

  classes ADDRESS PORT   answers each datagram with its traffic class as it arrived; runs until it is ended
  class ADDRESS PORT     asks three times; prints what the other side saw and what came back: [[184, 32], ...]
  segments ADDRESS PORT  tells whoever connects the largest segment that it may send to him; runs until it is ended
  segment ADDRESS PORT   connects; prints the largest segments of both sides: [client's, server's]
"""
import json
import socket
import struct
import sys

SECONDS = 5
TCP_INFO, INFO_LENGTH, SND_MSS_AT = 11, 104, 16


def socket_of(address, kind):
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)


def segment_of(sock):
    return struct.unpack_from("I", sock.getsockopt(socket.IPPROTO_TCP, TCP_INFO, INFO_LENGTH), SND_MSS_AT)[0]


def reader(address):
    """A socket for datagrams that is told the traffic class of each."""
    sock = socket_of(address, socket.SOCK_DGRAM)
    if ":" in address:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    return sock


def read(sock):
    data, control, _, peer = sock.recvmsg(64, 256)
    return data, control[0][2][0], peer


def classes(address, port):
    sock = reader(address)
    sock.bind((address, port))
    print("ready", flush=True)
    while True:
        _, seen, peer = read(sock)
        sock.sendto(bytes([seen]), peer)


def ask_class(address, port):
    sock, answers = reader(address), []
    sock.settimeout(SECONDS)
    for _ in range(3):
        sock.sendto(b"x", (address, port))
        data, seen, _ = read(sock)
        answers.append([data[0], seen])
    print(json.dumps(answers))


def segments(address, port):
    server = socket_of(address, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, port))
    server.listen()
    print("ready", flush=True)
    while True:
        sock, _ = server.accept()
        sock.sendall(struct.pack("!I", segment_of(sock)))
        sock.close()


def ask_segment(address, port):
    sock = socket.create_connection((address, port), SECONDS)
    print(json.dumps([segment_of(sock), struct.unpack("!I", sock.recv(4))[0]]))


if __name__ == "__main__":
    {"classes": classes, "class": ask_class, "segments": segments, "segment": ask_segment}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
