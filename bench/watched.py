# SPDX-License-Identifier: BSD-2-Clause
"""Forwarding while everybody looks: a journal that keeps every flow, the page with its live views open, metrics scraped every second.

One firewall, measured alone and watched in turn, so that what others do on the machine meets both. Ratios are watched to alone.
"""
import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import threading
import time
from pathlib import Path

from live import Lab, connections, small_packets
from tools import Unavailable

SCRAPE_SECONDS = 1  # Prometheus asks every fifteen
VIEWS = ("/api/live", "/api/log?flows=1")
PATIENCE = 20  # seconds until a process is ready


def namespace(lab):
    """The name that Keepstate gives to the gateway's network namespace."""
    return f"net-{os.stat(Path('/run/netns', lab.names['gateway'])).st_ino}"


class Unix(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path):
        super().__init__("keepstate", timeout=PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self.path)


class Watchers:
    """A context manager: all of them, from when they follow until it ends."""

    def __init__(self, lab):
        self.lab, self.name = lab, namespace(lab)
        self.over = threading.Event()
        self.threads, self.trouble = [], []
        self.scrapes = self.followed = 0

    def __enter__(self):
        try:
            self._journal()
            port = self._page()
            for view in VIEWS:
                self._begin(self._follow, port, view)
            self._begin(self._scrape)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.over.set()
        for child in (self.page, self.journal):
            if child:
                child.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(PATIENCE)
        for thread in self.threads:
            thread.join(PATIENCE)

    page = journal = None

    def _child(self, command, **options):
        child = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, **options)
        self.lab.children.append(child)
        return child

    def _journal(self):
        program = self.lab.bench.keepstate.parent.parent / "journal" / "keepstate-journal"
        if not program.exists():
            raise Unavailable("keepstate-journal was not built: libsqlite3-dev is missing")
        folder = self.lab.folder / "journal"
        folder.mkdir(exist_ok=True)
        with open(self.lab.folder / "journal.log", "a", encoding="utf-8") as log:
            self.journal = self._child([program, "--netns", self.lab.names["gateway"], "--directory", folder], stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE
        while not self._journal_state()["daemon"]:
            if time.monotonic() > end:
                raise RuntimeError(f"the journal does not follow: {(self.lab.folder / 'journal.log').read_text()[-500:]}")
            time.sleep(0.1)

    def _journal_state(self):
        try:
            return json.loads(self._ask(f"/run/keepstate-journal/{self.name}.sock", "/v1/journal"))
        except OSError:
            return {"daemon": False, "flows": 0}

    def flows_kept(self):
        return self._journal_state()["flows"]

    def _page(self):
        self.page = self._child([self.lab.bench.keepstate, "page", "--instance", self.name, "--listen", "127.0.0.1:0", "--tokens",
                                 self.lab.folder / "tokens"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        match = re.match(r"http://127\.0\.0\.1:(\d+)/", self.page.stdout.readline())
        if not match:
            raise RuntimeError("the page did not start")
        return int(match[1])

    def _begin(self, work, *words):
        def whole():
            try:
                work(*words)
            except (OSError, http.client.HTTPException) as error:
                if not self.over.is_set():
                    self.trouble.append(f"{work.__name__[1:]}: {error}")

        self.threads.append(threading.Thread(target=whole, daemon=True))
        self.threads[-1].start()

    @staticmethod
    def _ask(path, target):
        connection = Unix(path)
        connection.request("GET", target)
        text = connection.getresponse().read()
        connection.close()
        return text

    def _scrape(self):
        while not self.over.wait(SCRAPE_SECONDS):
            text = self._ask(f"/run/keepstate/{self.name}/control.sock", "/metrics")
            self.scrapes += b"keepstate_" in text

    def _follow(self, port, view):
        """A browser's live view, without the browser: what is sent is read."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        token = (self.lab.folder / "tokens" / "view").read_text().strip()
        connection.request("POST", "/api/login", json.dumps({"token": token}))
        answer = connection.getresponse()
        answer.read()
        connection.request("GET", view, headers={"Cookie": answer.getheader("Set-Cookie").split(";")[0]})
        stream = connection.getresponse()
        while not self.over.is_set() and (data := stream.read1(65536)):
            self.followed += len(data)

    def check(self):
        """They have really looked."""
        if self.trouble:
            raise RuntimeError(self.trouble[0])
        seen = {"journal": self.flows_kept(), "metrics": self.scrapes, "page": self.followed}
        if not all(seen.values()):
            raise RuntimeError(f"somebody saw nothing: {seen}")


def what_to_measure(bench):
    count, seconds = (1000000, 2) if bench.quick else (4000000, 4)
    return (("small packets, 1,000 flows", "packets/s", lambda lab: small_packets(lab, 1000, count)),
            ("new TCP connections", "connections/s", lambda lab: connections(lab, seconds)))


def watched_run(lab, function):
    with Watchers(lab) as watchers:
        time.sleep(2 * SCRAPE_SECONDS)  # as it is when it has been so for a while
        value = function(lab)
        time.sleep(2 * SCRAPE_SECONDS)
        watchers.check()
        return value


def measure(bench, out):
    rows = what_to_measure(bench)
    with Lab(bench) as lab:
        for what, unit, function in rows:
            alone, watched = [], []
            with lab.firewall("keepstate"):
                function(lab)
                for _ in range(bench.runs):
                    alone.append(function(lab))
                    watched.append(watched_run(lab, function))
            out.rate(f"watched by journal, page and metrics, {what}", unit, watched, "alone", alone)
