# SPDX-License-Identifier: BSD-2-Clause
"""The journal's process beside a firewall."""
import datetime
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import urllib.parse
from pathlib import Path

from lab import KEEPSTATE, wait_for

PROGRAM = os.environ.get("KEEPSTATE_JOURNAL", str(Path(KEEPSTATE).parent.parent / "journal" / "keepstate-journal"))
SLOW = 20  # seconds, generous: a disk may be slow


def seconds(text):
    """A time of the API in seconds of the epoch."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def reason_to_skip():
    return None if os.access(PROGRAM, os.X_OK) else "keepstate-journal was not built: libsqlite3-dev is missing"


class Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path):
        super().__init__("keepstate", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self.path)


class Journal:
    """A journal of a firewall's namespace."""

    def __init__(self, firewall, log_path, *options):
        self.firewall, self.log_path, self.options = firewall, log_path, options
        self.child = None
        self.before, self.named = [], ["--netns", firewall.host.name]  # words before and behind the program's name
        # A namespace that is gone may have had this number, and have left its journal.
        shutil.rmtree(f"/var/lib/keepstate/journal/{firewall.instance()}", ignore_errors=True)

    def start(self, wait=True):
        with self.log_path.open("a") as log:
            self.child = subprocess.Popen([*self.before, PROGRAM, *self.named, *self.options], stdin=subprocess.DEVNULL,
                                          stdout=log, stderr=log)
        if wait:
            wait_for(lambda: self.state()["daemon"], SLOW, "the journal follows the daemon")
        return self

    @property
    def socket(self):
        return f"/run/keepstate-journal/{self.firewall.instance()}.sock"

    def ask(self, path, **parameters):
        """Returns the status and the body of an answer."""
        connection = Connection(self.socket)
        query = urllib.parse.urlencode(parameters, doseq=True)
        connection.request("GET", path + ("?" + query if query else ""))
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, body

    def lines(self, path, **parameters):
        status, body = self.ask(path, **parameters)
        assert status == 200, body
        return [json.loads(line) for line in body.splitlines() if line]

    def state(self):
        if self.child.poll() is not None:
            raise AssertionError(f"the journal ended with {self.child.returncode}:\n{self.log_path.read_text()[-2000:]}")
        try:
            return json.loads(self.ask("/v1/journal")[1])
        except OSError:
            return {"daemon": False, "state": "not there"}

    def keeper(self):
        """The process without rights."""
        children = Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text().split()
        return int(children[0])

    def end(self):
        if self.child and self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            self.child.wait(3 * SLOW)  # it writes what it has
        return self.child.returncode if self.child else None

    def kill(self):
        """kill -9 of the process that writes."""
        os.kill(self.keeper(), signal.SIGKILL)
        self.child.wait(SLOW)
