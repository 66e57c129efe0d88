# SPDX-License-Identifier: BSD-2-Clause
"""A registrar and proxy of SIP (RFC 3261) that believes only what messages say.

It looks neither at the source of a datagram nor at received= and rport=: a client behind address translation can be
reached through it only if somebody has written its messages anew. Over TCP it sends by the connection whose other end is
the one that was named. It stays in the way of a call (Record-Route), keeps no transactions, and prints each message that
it got as a line of JSON.

    sip_proxy.py ADDRESS
"""
import json
import re
import secrets
import selectors
import socket
import sys

PORT = 5060
OURS = "z9hG4bKproxy"


def endpoint(text, default=PORT):
    """The host and port of what begins with `10.0.0.1:5060`."""
    host, port = re.match(r"([^:;>\s]+)(?::(\d+))?", text).groups()
    return host, int(port or default)


def uri_endpoint(uri):
    return endpoint(re.search(r"sips?:(?:[^@>]*@)?([^>]+)", uri).group(1))


class Message:
    def __init__(self, text):
        head, _, self.body = text.partition("\r\n\r\n")
        self.first, *lines = head.split("\r\n")
        self.headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines]

    def get(self, *names):
        for name, value in self.headers:
            if name.lower() in names:
                return value
        return None

    def drop(self, name):
        """Removes the first header of a name."""
        self.headers.remove(next(one for one in self.headers if one[0].lower() == name))

    def pack(self):
        lines = [self.first, *(f"{name}: {value}" for name, value in self.headers)]
        return ("\r\n".join(lines) + "\r\n\r\n" + self.body).encode()


class Proxy:
    def __init__(self, address):
        self.address = address
        self.bindings = {}
        self.streams = {}  # by the other end: socket and what was read of it
        self.selector = selectors.DefaultSelector()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((address, PORT))
        self.tcp = socket.create_server((address, PORT))
        self.selector.register(self.udp, selectors.EVENT_READ, self.datagram)
        self.selector.register(self.tcp, selectors.EVENT_READ, self.accept)

    def run(self):
        print(json.dumps({"ready": True}), flush=True)
        while True:
            for key, _ in self.selector.select():
                key.data(key.fileobj)

    def datagram(self, sock):
        data, source = sock.recvfrom(65535)
        if data.strip():
            self.handle(Message(data.decode()), "UDP", source)

    def accept(self, listener):
        sock, peer = listener.accept()
        self.streams[peer] = [sock, b""]
        self.selector.register(sock, selectors.EVENT_READ, lambda sock: self.stream(sock, peer))

    def stream(self, sock, peer):
        data = sock.recv(65535)
        if not data:
            self.selector.unregister(sock)
            sock.close()
            del self.streams[peer]
            return
        held = self.streams[peer]
        held[1] += data
        while b"\r\n\r\n" in held[1].lstrip(b"\r\n"):
            held[1] = held[1].lstrip(b"\r\n")
            head = held[1].index(b"\r\n\r\n") + 4
            length = int(re.search(rb"(?im)^(?:content-length|l)\s*:\s*(\d+)", held[1][:head]).group(1))
            if len(held[1]) < head + length:
                return
            message, held[1] = held[1][:head + length], held[1][head + length:]
            self.handle(Message(message.decode()), "TCP", peer)

    def send(self, message, transport, to):
        if transport == "UDP":
            self.udp.sendto(message.pack(), to)
        elif to in self.streams:
            self.streams[to][0].sendall(message.pack())
        else:
            print(json.dumps({"lost": to, "open": list(self.streams)}), flush=True)

    def handle(self, message, transport, source):
        length = int(message.get("content-length", "l") or len(message.body))
        print(json.dumps({"first": message.first, "from": source, "via": message.get("via", "v"),
                          "contact": message.get("contact", "m"), "body": message.body,
                          "length": length == len(message.body)}), flush=True)
        if message.first.startswith("SIP/2.0"):
            self.response(message)
        elif message.first.startswith("REGISTER"):
            self.register(message, transport)
        else:
            self.request(message, transport)

    @staticmethod
    def via(value):
        """Transport and endpoint of a Via."""
        transport, rest = re.match(r"SIP\s*/\s*2.0\s*/\s*(\w+)\s+(.*)", value).groups()
        return transport, endpoint(rest)

    def response(self, message):
        message.drop("via")
        self.send(message, *self.via(message.get("via", "v")))

    def register(self, message, transport):
        user = re.search(r"sips?:([^@>]+)", message.get("to", "t")).group(1)
        contact = message.get("contact", "m")
        self.bindings[user] = (re.search(r"<([^>]+)>", contact).group(1), transport)
        copied = [one for one in message.headers if one[0].lower() in ("via", "v", "from", "f", "call-id", "i", "cseq")]
        answer = Message("SIP/2.0 200 OK\r\n\r\n")
        answer.headers = [*copied, ("To", message.get("to", "t") + ";tag=" + secrets.token_hex(4)),
                          ("Contact", contact), ("Content-Length", "0")]
        self.send(answer, *self.via(message.get("via", "v")))

    def request(self, message, transport):
        method, uri, _ = message.first.split()
        via = f"SIP/2.0/{transport} {self.address};branch={OURS}{secrets.token_hex(6)}"
        route = message.get("route")
        if route and self.address in route:
            message.drop("route")
        user = re.search(r"sips?:([^@>;]+)", uri).group(1)
        if uri_endpoint(uri)[0] == self.address and user in self.bindings:
            uri, transport = self.bindings[user]
            message.headers.insert(0, ("Record-Route", f"<sip:{self.address};lr;transport={transport.lower()}>"))
            message.first = f"{method} {uri} SIP/2.0"
        message.headers.insert(0, ("Via", via))
        self.send(message, transport, uri_endpoint(uri))


if __name__ == "__main__":
    Proxy(sys.argv[1]).run()
