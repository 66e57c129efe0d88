# SPDX-License-Identifier: BSD-2-Clause
"""Conversations that are held open over whatever happens to the firewall, for the tests of this directory.

    serve PORT                 echoes what comes by TCP
    hold ADDRESS PORT COUNT    opens so many connections; for each line of standard input it tries all of them
    busy ADDRESS PORT COUNT    the same, never silent; for each line it tells how often each has spoken since
    mapped ADDRESS PORT        opens a UDP socket that speaks to a peer; for each line it tells what it heard since
    send ADDRESS PORT          sends a datagram from a port of its own
    ftp PORT                   a server that greets, and connects back to each PORT that it is told
    ask ADDRESS PORT           its client; for each line of standard input it asks for a connection and waits for it

Each prints a line of JSON when it is ready, and one for each answer.
"""
import json
import selectors
import signal
import socket
import sys
import time

PATIENCE = 6  # seconds for those that may be silent for good
ANSWERING = 60  # seconds for what must come


def tell(**facts):
    print(json.dumps(facts), flush=True)


def lines():
    while True:
        line = sys.stdin.readline()
        if not line:
            return
        yield line.strip()


def listener(port):
    sock = socket.socket(socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("0.0.0.0", port))
    sock.listen(256)
    return sock


def serve(port):
    selector, listening = selectors.DefaultSelector(), listener(port)
    selector.register(listening, selectors.EVENT_READ)
    tell(ready=True)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listening:
                selector.register(listening.accept()[0], selectors.EVENT_READ)
                continue
            try:
                data = key.fileobj.recv(4096)
                if data:
                    key.fileobj.sendall(data)
                    continue
            except OSError:
                pass
            selector.unregister(key.fileobj)
            key.fileobj.close()


def hear(socks, size, seconds):
    """Reads so many bytes from each; returns those that have come in time, by socket."""
    heard, end = {}, time.monotonic() + seconds
    selector = selectors.DefaultSelector()
    for sock in socks:
        selector.register(sock, selectors.EVENT_READ)
    while len(heard) < len(socks) and time.monotonic() < end:
        for key, _ in selector.select(end - time.monotonic()):
            try:
                heard[key.fileobj] = key.fileobj.recv(size)
            except OSError as problem:
                heard[key.fileobj] = str(problem)
            selector.unregister(key.fileobj)
    return heard


def try_all(socks, word):
    """Sends a word on every connection; returns how many echoed it, and what the others said."""
    wrong = []
    for sock in socks:
        try:
            sock.sendall(word)
        except OSError as problem:
            wrong.append(str(problem))
    heard = hear(socks, len(word), PATIENCE)
    wrong += [str(heard.get(sock, "nothing")) for sock in socks if heard.get(sock) != word]
    return len(socks) - len(wrong), wrong


def busy(address, port, count):
    """Words go back and forth on all of them without a pause; silence lasts as long as it may, an error ends one."""
    socks = [socket.create_connection((address, port), timeout=ANSWERING) for _ in range(count)]
    turns = dict.fromkeys(socks, 0)
    stop, selector = [], selectors.DefaultSelector()
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    for sock in socks:
        sock.sendall(b"ball")
        selector.register(sock, selectors.EVENT_READ)
    tell(ready=True, ports=[sock.getsockname()[1] for sock in socks])
    wrong, sys_in = [], selectors.DefaultSelector()
    sys_in.register(sys.stdin, selectors.EVENT_READ)
    while not stop:
        for key, _ in selector.select(0.05):
            try:
                data = key.fileobj.recv(4096)
                key.fileobj.sendall(data or b"over")
                turns[key.fileobj] += 1
            except OSError as problem:
                wrong.append(str(problem))
                selector.unregister(key.fileobj)
        if sys_in.select(0):
            sys.stdin.readline()
            tell(least=min(turns.values()), wrong=wrong)
            turns = dict.fromkeys(socks, 0)


def hold(address, port, count):
    socks = []
    for _ in range(count):
        sock = socket.create_connection((address, port), timeout=ANSWERING)
        socks.append(sock)
    good, wrong = try_all(socks, b"begin---")
    tell(ready=True, good=good, wrong=wrong, ports=[sock.getsockname()[1] for sock in socks])
    for number, _ in enumerate(lines()):
        good, wrong = try_all(socks, b"%8d" % number)
        tell(good=good, wrong=wrong)


def mapped(address, port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(ANSWERING)
    sock.sendto(b"question", (address, port))
    sock.recv(2048)
    tell(ready=True, port=sock.getsockname()[1])
    for _ in lines():
        try:
            data, peer = sock.recvfrom(2048)
            tell(data=data.decode(), peer=peer[0])
        except OSError as problem:
            tell(error=str(problem))


def send(address, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(5):
            sock.sendto(b"from outside", (address, port))
            time.sleep(0.1)
    tell(ready=True)


def ftp(port):
    listening = listener(port)
    tell(ready=True)
    peer = listening.accept()[0]
    peer.sendall(b"220 welcome\r\n")
    stream = peer.makefile("rb")
    for line in stream:
        if line.startswith(b"PORT "):
            parts = [int(part) for part in line[5:].decode().split(",")]
            where = ".".join(str(part) for part in parts[:4]), parts[4] << 8 | parts[5]
            with socket.create_connection(where, timeout=ANSWERING) as data:
                data.sendall(b"data")
        peer.sendall(b"200 ok\r\n")


def ask(address, port):
    control = socket.create_connection((address, port), timeout=ANSWERING)
    stream = control.makefile("rb")
    stream.readline()
    control.sendall(b"USER nobody\r\n")
    stream.readline()
    own = control.getsockname()[0].replace(".", ",")
    tell(ready=True)
    for _ in lines():
        waiting = listener(0)
        waiting.settimeout(ANSWERING)
        number = waiting.getsockname()[1]
        control.sendall(f"PORT {own},{number >> 8},{number & 255}\r\n".encode())
        try:
            data = waiting.accept()[0].recv(16).decode()
            tell(data=data, answer=stream.readline().decode().strip())
        except OSError as problem:
            tell(error=str(problem))
        waiting.close()


def main():
    command, *words = sys.argv[1:]
    words = [int(word) if word.isdigit() else word for word in words]
    {"serve": serve, "hold": hold, "busy": busy, "mapped": mapped, "send": send, "ftp": ftp, "ask": ask}[command](*words)


main()
