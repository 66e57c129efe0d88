# SPDX-License-Identifier: BSD-2-Clause
"""The page before a live firewall, and a browser before the page."""
import hashlib
import http.client
import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import tarfile
import threading
import time
from pathlib import Path

import lab as labs
import pytest
from lab import KEEPSTATE, SERVER4, SERVER6, wait_for

HTML = "<img src=x onerror=alert(1)>"
LEASE = "<img/src=x/onerror=alert(2)>"  # a client may call itself so
POLICY = f"""\
zone lan {{ lan0 }}
zone wan {{ wan0 }}
option log-drops on
option settle off
limit states 500000
timeout udp.single 10m
set blocked {{ 198.51.100.0/24 }} dynamic
deny from wan source @blocked log "blocked"
reject from lan to wan tcp port 25 log "{HTML}"
allow from lan to wan tcp port {{ 80, 443, 5700-5799 }} log "web"
allow from lan to wan
allow from {{ lan, wan }} to self icmp type echo-request
allow from {{ lan, wan }} to self icmpv6 type echo-request
allow from lan to self tcp port 80
allow from self to {{ lan, wan }}
allow from lan to wan udp port 53
test "mail is refused" {{
  lan 10.0.0.10:40000 > wan 192.0.2.10:25 tcp syn => reject
}}
"""
SHOTS = Path(os.environ.get("KEEPSTATE_SCREENSHOTS", Path(KEEPSTATE).resolve().parent.parent / "screenshots"))


class Page:
    """A process of `keepstate page` beside the firewall, and questions to it."""

    def __init__(self, firewall, directory, *options):
        self.tokens = Path(directory) / "tokens"
        self.child = subprocess.Popen(
            [KEEPSTATE, "page", "--instance", firewall.instance(), "--listen", "127.0.0.1:0", "--tokens", str(self.tokens), *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        first = self.child.stdout.readline()
        match = re.match(r"http://127\.0\.0\.1:(\d+)/", first)
        assert match, f"page says {first}{self.child.stdout.read() if self.child.poll() is not None else ''}"
        self.port = int(match[1])

    def token(self, name="view"):
        return (self.tokens / name).read_text().strip()

    def process(self):
        """The number of the process without rights."""
        children = Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children")
        return int(wait_for(lambda: children.read_text().split(), 10, "the process without rights")[0])

    def resident(self):
        """The memory of that process in kB."""
        status = Path(f"/proc/{self.process()}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    def ask(self, method, target, body=None, headers=None, source="127.0.0.1", host=None):
        """Returns (status, headers, text)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30, source_address=(source, 0))
        data = json.dumps(body) if body is not None and not isinstance(body, bytes) else body
        connection.request(method, target, data, {"Host": host or f"127.0.0.1:{self.port}", **(headers or {})})
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        connection.close()
        return answer.status, dict(answer.getheaders()), text

    def login(self, name="view"):
        """Returns the headers that a session sends."""
        status, headers, text = self.ask("POST", "/api/login", {"token": self.token(name)})
        assert status == 200, (status, text)
        return {"Cookie": headers["Set-Cookie"].split(";")[0], "X-Keepstate-Csrf": json.loads(text)["csrf"]}

    def close(self):
        labs.end_process(self.child)
        self.child.stdout.close()


class NameServer(threading.Thread):
    """Answers every question for a name with one that has HTML in it; of 192.0.2.99 it says nothing."""

    NAME = b"\x07<b>host\x07example\x00"
    SHOWN = r"\060b\062host.example"

    def __init__(self):
        super().__init__(daemon=True)
        self.asked = []
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.place = "127.0.0.1:%d" % self.sock.getsockname()[1]
        self.start()

    def run(self):
        while True:
            question, client = self.sock.recvfrom(512)
            labels, at = [], 12
            while question[at]:
                labels.append(question[at + 1:at + 1 + question[at]].decode())
                at += 1 + question[at]
            self.asked.append(".".join(labels))
            if labels[0] != "99":
                record = b"\xc0\x0c\0\x0c\0\x01\0\0\x0e\x10" + len(self.NAME).to_bytes(2, "big") + self.NAME
                self.sock.sendto(question[:2] + b"\x81\x80\0\x01\0\x01\0\0\0\0" + question[12:] + record, client)


class Traffic:
    """Some of everything: pages, names, pings, mail that is refused, and somebody who knocks."""

    def __init__(self, lab):
        self.lab = lab
        lab.client.start("curl", "-s", "-o", "/dev/null", "--limit-rate", "200k", f"http://{SERVER4}/large")

    def some(self):
        client, server = self.lab.client, self.lab.server
        client.fetch(f"http://{SERVER4}/")
        client.fetch(f"http://[{SERVER6}]/")
        client.resolve(SERVER4)
        client.ping(SERVER4, count=1)
        client.fetch(f"http://{SERVER4}:25/", seconds=1)
        server.run("sh", "-c", "for p in 22 23 445; do curl -s --max-time 0.1 http://192.0.2.1:$p/; curl -s --max-time 0.1 http://10.0.0.10:$p/; done")


def why_no_browser():
    """Returns the reason why there is no browser, or None."""
    if not importlib.util.find_spec("selenium"):
        return "python3-selenium is not installed"
    missing = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
    return "not installed: " + ", ".join(missing) if missing else None


browsing = pytest.mark.skipif(bool(why_no_browser()), reason=str(why_no_browser()))


class Browser:
    """Chromium without a window."""

    def __init__(self):
        from selenium import webdriver
        from selenium.webdriver.chrome.options import Options
        from selenium.webdriver.chrome.service import Service
        options = Options()
        for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-proxy-server",
                     "--disable-background-networking", "--disable-extensions", "--no-first-run"):
            options.add_argument(word)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)
        self.driver.set_script_timeout(120)  # seconds: on a busy machine axe-core takes more than the 30 of a browser
        self.size(1440, 900)

    def size(self, width, height):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})

    def run(self, script, *values):
        return self.driver.execute_script(script, *values)

    def text(self, selector="body"):
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def wait(self, script, what, seconds=30):
        """Waits until the script returns something true, which is returned."""
        return wait_for(lambda: self.run("return " + script), seconds, f"{what}; the page says: {self.text()[:1500]}")

    def wait_text(self, words, selector="body", seconds=30):
        return self.wait(f"(document.querySelector({json.dumps(selector)})?.innerText ?? '').includes({json.dumps(words)})", f"'{words}' in {selector}", seconds)

    def open(self, page, token=None):
        self.driver.get(f"http://127.0.0.1:{page.port}/icon.svg")
        self.run("localStorage.clear()")
        self.driver.delete_all_cookies()
        self.driver.get(f"http://127.0.0.1:{page.port}/" + (f"#token={page.token(token)}" if token else ""))
        if token:
            self.wait("document.querySelector('#live.on') !== null", "live")

    def go(self, where):
        self.run("location.hash = arguments[0]", "#/" + where)
        name = where.split("?")[0]
        self.wait(f"document.querySelector('nav a[aria-current]')?.dataset.view === {json.dumps(name)}", f"the view {name}")

    def click(self, selector):
        """At once: what the page draws anew every second is another one then."""
        self.wait(f"(() => {{ const one = document.querySelector({json.dumps(selector)}); one?.click(); return !!one; }})()", selector)

    def key(self, name):
        """Types a key, whatever has the focus."""
        from selenium.webdriver import ActionChains
        from selenium.webdriver.common.keys import Keys
        ActionChains(self.driver).send_keys(getattr(Keys, name)).perform()

    def button(self, words, within="body"):
        """Clicks the button with these words."""
        self.wait(f"""(() => {{ const one = [...document.querySelectorAll({json.dumps(within)} + ' button')].find(one => one.innerText.trim() === {json.dumps(words)} && !one.disabled);
                  one?.click(); return !!one; }})()""", f"a button '{words}'")

    def shot(self, name):
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(SHOTS / f"{name}.png"))

    def complaints(self):
        """The console's lines since the last call, without answers of 4xx and 5xx, and without a style that dygraphs sets and may not."""
        return [one["message"] for one in self.driver.get_log("browser")
                if one["level"] == "SEVERE" and "/dygraph.js" not in one["message"] and "Failed to load resource" not in one["message"]]

    def close(self):
        self.driver.quit()


AXE = "axe-core-4.10.3.tgz"
AXE_SUM = "0f2b4d7dcdf7d1219df8d1959ad68e565f51d14c3f0d88bb71cd59abeb956292"


def find_axe(directory):
    """Returns the program of axe-core, which npm fetches; or skips the test."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed, so axe-core is not there; our own checks of access run all the same")
    name = AXE.removesuffix(".tgz")
    try:
        done = subprocess.run(["npm", "pack", "--silent", "@".join(name.rsplit("-", 1))], cwd=directory, capture_output=True, text=True, timeout=90, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm gets no axe-core in 90 s; our own checks of access run all the same")
    if done.returncode:
        pytest.skip(f"npm gets no axe-core: {done.stderr.strip()[-300:]}; our own checks of access run all the same")
    data = (Path(directory) / AXE).read_bytes()
    assert hashlib.sha256(data).hexdigest() == AXE_SUM, "another axe-core than the one that was looked at"
    with tarfile.open(Path(directory) / AXE) as archive:
        return archive.extractfile("package/axe.min.js").read().decode()


# Returns what axe-core finds, of every rule that it has.
RUN_AXE = """
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ['violations']}).then(found => done(found.violations.map(one => one.id + ': ' + one.help + ': ' + one.nodes.slice(0, 3).map(node => node.html.slice(0, 160) + ' ' + (node.any[0]?.message || node.all[0]?.message || '')).join(' | '))),
  error => done(['axe failed: ' + error]));
"""

# Returns what would keep somebody out: controls without a name, pictures without words, ids twice, text without contrast, headings, landmarks.
ACCESS = """
const wrong = [];
const seen = one => { const box = one.getBoundingClientRect(); return box.width > 0 && box.height > 0 && getComputedStyle(one).visibility !== 'hidden' && !one.closest('[aria-hidden=true]'); };
const named = one => (one.getAttribute('aria-label') || one.innerText || one.title || [...(one.labels || [])].map(label => label.innerText).join(' ') || '').trim();
const tell = one => one.outerHTML.slice(0, 120);
for (const one of document.querySelectorAll('a, button, input, select, textarea, [role=meter], [role=img], dialog'))
  if (seen(one) && one.type !== 'hidden' && !named(one)) wrong.push('no name: ' + tell(one));
for (const one of document.querySelectorAll('img')) if (!one.hasAttribute('alt')) wrong.push('no alt: ' + tell(one));
const ids = [...document.querySelectorAll('[id]')].map(one => one.id);
for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push('id twice: ' + id);
for (const one of document.querySelectorAll('th')) if (!one.scope) wrong.push('no scope: ' + tell(one));
for (const one of document.querySelectorAll('[tabindex]')) if (one.tabIndex > 0) wrong.push('tabindex: ' + tell(one));
if (!document.documentElement.lang) wrong.push('no language');
if (document.querySelectorAll('main').length !== 1 || !document.querySelector('nav[aria-label]')) wrong.push('landmarks');
if (document.querySelectorAll('h1').length !== 1) wrong.push('not one h1');
const numbers = text => text.match(/[\\d.]+/g).map(Number);
const over = (top, below) => { const a = top[3] ?? 1; return top.slice(0, 3).map((value, i) => value * a + below[i] * (1 - a)); };
const ink = text => { const c = document.createElement('canvas').getContext('2d', {willReadFrequently: true}); c.fillStyle = text; c.fillRect(0, 0, 1, 1); const d = c.getImageData(0, 0, 1, 1).data; return [d[0], d[1], d[2], d[3] / 255]; };
const ground = one => { const list = []; for (; one; one = one.parentElement) { const c = ink(getComputedStyle(one).backgroundColor); if (c[3]) list.unshift(c); } return list.reduce((below, top) => over(top, below), [255, 255, 255]); };
const light = c => c.slice(0, 3).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), done = new Set();
for (let node; (node = walker.nextNode()) && done.size < 800;) {
  const one = node.parentElement;
  if (!node.data.trim() || done.has(one) || !seen(one) || one.closest('.sr, .skip, noscript, option, :disabled')) continue;
  done.add(one);
  const style = getComputedStyle(one), below = ground(one), a = light(over(ink(style.color), below)), b = light(below);
  const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05), large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.6 && style.fontWeight >= 600);
  if (ratio < (large ? 3 : 4.5)) wrong.push('contrast ' + ratio.toFixed(2) + ': ' + tell(one));
}
return wrong;
"""


def wait_until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.1)
