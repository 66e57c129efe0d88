# SPDX-License-Identifier: BSD-2-Clause
"""`keepstate page`: who is let in, and what it may do, before a live firewall."""
import http.client
import itertools
import json
import os
import random
import socket
import time
import urllib.parse
from pathlib import Path

import pagelab
import pytest
from lab import CLIENT4, SERVER4, wait_for
from pagelab import HTML, LEASE, POLICY, Page

pytest_plugins = ["pagewall"]

WRITES = [("DELETE", "/api/v1/states?all=1"), ("POST", "/api/v1/confirm"), ("POST", "/api/v1/sets?name=blocked"), ("DELETE", "/api/v1/sets?name=blocked&all=1"),
          ("POST", "/api/policy/try"), ("POST", "/api/policy/apply"), ("POST", "/api/policy/keep"), ("POST", "/api/policy/reload"), ("GET", "/api/policy/source")]


def test_without_a_token_there_is_nothing_but_the_form(page):
    status, headers, text = page.ask("GET", "/")
    assert status == 200 and HTML not in text
    assert "script-src 'self'" in headers["Content-Security-Policy"] and "unsafe" not in headers["Content-Security-Policy"]
    for path in ("/api/session", "/api/live", "/api/history", "/api/log", "/api/v1/status", "/api/v1/states", "/api/v1/policy", "/api/journal/v1/journal"):
        status, _, text = page.ask("GET", path)
        assert status == 401 and "token" in text, (path, status, text)
    for method, path in WRITES:
        assert page.ask(method, path, {})[0] == 401, path


def test_a_session_of_the_other_page_or_none_of_ours_is_worth_nothing(page, looking):
    session = looking.login()
    assert looking.ask("GET", "/api/v1/status", headers=session)[0] == 200
    assert page.ask("GET", "/api/v1/status", headers=session)[0] == 401
    cookie = session["Cookie"]
    for wrong in (cookie[:-1], cookie[:-1] + ("a" if cookie[-1] != "a" else "b"), cookie.split("=")[0] + "=", cookie.split("=")[0] + "=" + "a" * 4000):
        assert looking.ask("GET", "/api/v1/status", headers={"Cookie": wrong})[0] == 401, wrong
    assert looking.ask("POST", "/api/logout", {}, session)[0] == 200
    assert looking.ask("GET", "/api/v1/status", headers=session)[0] == 401, "it is logged out"


def test_wrong_tokens_become_slow_and_hold_up_nobody_else(page):
    answers = [page.ask("POST", "/api/login", {"token": "a" * 32}, source="127.0.0.7")[0] for _ in range(8)]
    assert answers[:5] == [401] * 5 and answers[-1] == 429, answers
    right = page.ask("POST", "/api/login", {"token": page.token()}, source="127.0.0.7")
    assert right[0] == 200, "nobody keeps out who has the token"
    assert page.ask("POST", "/api/login", {"token": "a" * 32}, source="127.0.0.7")[0] == 429
    assert page.ask("POST", "/api/login", {"token": page.token()}, source="127.0.0.8")[0] == 200
    assert page.ask("POST", "/api/login", {"token": "a" * 32}, source="127.0.0.8")[0] == 401
    for body in ({}, {"token": None}, {"token": ""}, {"token": ["a"]}, b"no json", b"[]"):
        assert page.ask("POST", "/api/login", body, source="127.0.0.9")[0] in (400, 401), body


def test_who_has_only_the_cookie_looks(page, wall):
    session = page.login("act")
    cookie = {"Cookie": session["Cookie"]}
    status, _, text = page.ask("GET", "/api/session", headers=cookie)
    assert status == 200 and session["X-Keepstate-Csrf"] not in text and json.loads(text)["number"] is False
    assert json.loads(page.ask("GET", "/api/session", headers=session)[2])["number"] is True
    for method, path in WRITES:
        status, _, text = page.ask(method, path, {}, cookie)
        assert status == 403 and "log in again" in text, (path, status, text)
    packet = {"packet": f"wan {SERVER4}:40000 > lan {CLIENT4}:8080 tcp syn"}
    assert page.ask("POST", "/api/v1/explain", packet, cookie)[0] == 200
    assert page.ask("POST", "/api/v1/explain", packet, {**cookie, "Origin": "http://127.0.0.1:1"})[0] == 403
    assert page.ask("POST", "/api/logout", {}, cookie)[0] == 200


@pytest.mark.parametrize("path", ["/api/live", "/api/log"])
def test_a_stream_ends_with_its_session(looking, path):
    session = looking.login()
    connection = http.client.HTTPConnection("127.0.0.1", looking.port, timeout=30)
    connection.request("GET", path, headers=session)
    stream = connection.getresponse()
    assert stream.status == 200 and stream.readline()
    assert looking.ask("POST", "/api/logout", {}, session)[0] == 200
    lines = list(itertools.takewhile(bool, (stream.readline() for _ in range(1000))))
    assert len(lines) < 1000 and b"event: over\n" in lines[-3:], lines[-3:]
    connection.close()


def test_other_names_and_other_sites_are_refused(page):
    for host in ("evil.example", f"evil.example:{page.port}", "", "127.0.0.1.evil.example", "localhost.evil.example", "[::1].evil.example"):
        assert page.ask("GET", "/", host=host or " ")[0] in (400, 421), host
    for host in ("localhost", f"localhost:{page.port}", "[::1]:9", "192.0.2.1"):
        assert page.ask("GET", "/", host=host)[0] == 200, host
    session = page.login("act")
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": f"http://localhost:{page.port}"}):
        assert page.ask("DELETE", "/api/v1/states?all=1", headers={**session, **headers})[0] == 403, headers
    for csrf in ("", "a" * 32):
        status, _, text = page.ask("DELETE", "/api/v1/states?all=1", headers={**session, "X-Keepstate-Csrf": csrf})
        assert status == 403 and "not come from the page" in text, (status, text)


def test_who_may_only_look_changes_nothing(page, looking, wall):
    before = wall.data("status")[0]
    for one, word in ((page, "token for actions"), (looking, "--allow-actions")):
        session = one.login()
        for method, path in WRITES:
            status, _, text = one.ask(method, path, {}, session)
            assert status == 403 and word in text, (path, status, text)
        for method, path in (("POST", "/api/v1/reload"), ("POST", "/api/v1/stop"), ("PUT", "/api/v1/sets?name=blocked"), ("POST", "/api/v1/status")):
            assert one.ask(method, path, {}, session)[0] in (403, 405), path
    assert not (looking.tokens / "act").exists() and (looking.tokens / "view").stat().st_mode & 0o777 == 0o600
    after = wall.data("status")[0]
    assert (after["reloads"], after["table"]["killed"], after["generation"]) == (before["reloads"], before["table"]["killed"], before["generation"])


def test_the_process_that_serves_has_no_rights(page):
    process = page.process()
    facts = dict(line.split(":\t", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines() if ":\t" in line)
    assert "0" not in facts["Uid"].split() and facts["Groups"].strip() == "", facts
    assert all(int(facts[name], 16) == 0 for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")) and facts["NoNewPrivs"] == "1"
    opener = dict(line.split(":\t", 1) for line in Path(f"/proc/{page.child.pid}/status").read_text().splitlines() if ":\t" in line)
    assert int(opener["CapEff"], 16) == 0 and int(opener["CapBnd"], 16) == 0 and opener["NoNewPrivs"] == "1"
    files = [os.readlink(f"/proc/{process}/fd/{fd}") for fd in os.listdir(f"/proc/{process}/fd")]
    assert not [name for name in files if name.startswith("/") and not name.startswith(("/dev/null", "/tmp/"))], files


def test_who_may_act_kills_and_fills_sets(lab, page, wall):
    session = page.login("act")
    lab.client.ping(SERVER4)
    status, _, text = page.ask("DELETE", "/api/v1/states?proto=icmp", headers=session)
    assert status == 200 and json.loads(text)["killed"] >= 1, text
    assert page.ask("POST", "/api/v1/sets?name=blocked", ["203.0.113.9"], session)[0] == 200
    assert "203.0.113.9" in wall.say("set", "list", "blocked")
    assert page.ask("DELETE", "/api/v1/sets?name=blocked", ["203.0.113.9"], session)[0] == 200


def test_a_policy_is_tried_applied_and_goes_back_or_stays(page, wall):
    session, text = page.login("act"), POLICY
    source = json.loads(page.ask("GET", "/api/policy/source", headers=session)[2])
    assert source.pop("version") and source == {"path": str(wall.path), "text": text}
    status, _, answer = page.ask("POST", "/api/policy/try", {"text": text + "allow from lna to wan\n"}, session)
    answer = json.loads(answer)
    assert status == 422 and answer["diagnostics"][0]["line"] == text.count("\n") + 1 and "did you mean 'lan'" in answer["diagnostics"][0]["message"]
    status, _, answer = page.ask("POST", "/api/policy/try", {"text": text.replace("=> reject", "=> allow")}, session)
    assert status == 422 and "expected allow" in json.loads(answer)["tests"], answer
    changed = text + "allow from wan to self tcp port 8443\n"
    generation = wall.data("status")[0]["generation"]
    assert page.ask("POST", "/api/policy/try", {"text": changed}, session)[0] == 200
    assert wall.data("status")[0]["generation"] == generation and wall.path.read_text() == text, "nothing is changed by a try"
    for wrong in ({}, {"text": ""}, {"text": changed, "confirm": 1}, {"text": changed, "confirm": "60"}):
        assert page.ask("POST", "/api/policy/apply", wrong, session)[0] == 400, wrong
    assert page.ask("POST", "/api/policy/apply", {"text": changed, "confirm": 10}, session)[0] == 200
    assert "8443" in wall.say("show", "--running") and wall.data("status")[0]["unconfirmed"]["seconds_left"] <= 10
    assert wall.path.read_text() == text, "the file is as it was until somebody says the word"
    wait_for(lambda: "8443" not in wall.say("show", "--running"), 20, "it goes back by itself")
    status, _, answer = page.ask("POST", "/api/policy/keep", {}, session)
    assert status == 409 and "in force again" in answer, answer
    assert page.ask("POST", "/api/policy/apply", {"text": changed, "confirm": 60}, session)[0] == 200
    assert page.ask("POST", "/api/policy/keep", {}, session)[0] == 200
    status = wall.data("status")[0]
    assert wall.path.read_text() == changed and "unconfirmed" not in status and status["policy"] == str(wall.path)
    assert not wall.path.with_name(wall.path.name + ".page").exists()
    wall.path.write_text(text)
    wall.say("reload")


def test_only_what_was_on_trial_takes_the_place_of_the_file(page, wall):
    session, first, second = page.login("act"), POLICY + "allow from wan to self tcp port 8443\n", POLICY + "allow from wan to self tcp port 9443\n"
    assert page.ask("POST", "/api/policy/apply", {"text": first, "confirm": 60}, session)[0] == 200
    for what in ("try", "apply"):
        status, _, answer = page.ask("POST", "/api/policy/" + what, {"text": second}, session)
        assert status == 409 and "on trial" in answer, (what, answer)
    assert page.ask("POST", "/api/policy/keep", {}, session)[0] == 200
    assert wall.path.read_text() == first and "9443" not in wall.say("show", "--running")
    assert page.ask("POST", "/api/policy/try", {"text": second}, session)[0] == 200, "there is none on trial any more"
    wall.path.write_text(POLICY)
    wall.say("reload", "--confirm", "60s", str(wall.path))
    status, _, answer = page.ask("POST", "/api/policy/keep", {}, session)
    assert status == 200 and json.loads(answer) == {"confirmed": True}, answer
    assert wall.path.read_text() == POLICY and "9443" not in wall.say("show", "--running"), "a try of before is no policy"
    assert "unconfirmed" not in wall.data("status")[0]


def test_what_somebody_else_wrote_into_the_file_stays(page, wall):
    """Edited while the browser had the text, and while it was on trial."""
    session, changed, other = page.login("act"), POLICY + "allow from wan to self tcp port 8443\n", POLICY + "# an editor's\n"
    version = json.loads(page.ask("GET", "/api/policy/source", headers=session)[2])["version"]
    wall.path.write_text(other)
    status, _, answer = page.ask("POST", "/api/policy/apply", {"text": changed, "version": version, "confirm": 60}, session)
    assert status == 409 and "changed by somebody else" in answer and "unconfirmed" not in wall.data("status")[0], answer
    version = json.loads(page.ask("GET", "/api/policy/source", headers=session)[2])["version"]
    assert page.ask("POST", "/api/policy/apply", {"text": changed, "version": version, "confirm": 60}, session)[0] == 200
    time.sleep(0.05)
    wall.path.write_text(other + "# once more\n")
    status, _, answer = page.ask("POST", "/api/policy/keep", {}, session)
    assert status == 409 and "changed by somebody else" in answer, answer
    assert "unconfirmed" in wall.data("status")[0], "nothing is confirmed"
    assert wall.path.read_text() == other + "# once more\n"
    wall.path.write_text(POLICY)
    wall.say("reload", str(wall.path))


def test_a_file_that_cannot_be_given_whole_is_not_given(page, wall):
    session = page.login("act")
    for more, status, word in ((b"#" * (1 << 20), 413, "1024 KiB"), (b"# M\xfcnchen\n", 415, "no UTF-8"), (b"# \0\n", 415, "no UTF-8")):
        wall.path.write_bytes(POLICY.encode() + more)
        got, _, answer = page.ask("GET", "/api/policy/source", headers=session)
        assert got == status and word in answer and str(wall.path) in answer and "zone lan" not in answer, answer
    whole = POLICY + "#" * ((1 << 20) - len(POLICY))
    wall.path.write_text(whole)
    assert json.loads(page.ask("GET", "/api/policy/source", headers=session)[2])["text"] == whole
    wall.path.write_text(POLICY)


def test_any_request_is_answered_or_ended(page, looking):
    """A bounded fuzz of the web server: mutated and random requests, whole and in pieces. The page goes on, and grows not."""
    chance = random.Random(8674)
    session = looking.login()
    seeds = [f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {session['Cookie']}\r\n\r\n".encode() for path in
             ("/", "/api/session", "/api/v1/status", "/api/history?span=15m", "/api/v1/states?limit=1", "/api/v1/states?details=1&flow=0123456789abcdef", "/api/v1/../../etc/passwd", "/%00", "/api/v1/%2e%2e")]
    seeds += [f"POST /api/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n".encode() + b'{"token":"' + b"a" * 60 for size in (0, 5, 70, 10**9, -1)]
    seeds += [b"POST /api/v1/explain HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n" + f"Cookie: {session['Cookie']}\r\nX-Keepstate-Csrf: {session['X-Keepstate-Csrf']}\r\n\r\n".encode() + b'ffffffffff\r\n{"packet":']
    seeds += [f"POST /api/names HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {session['Cookie']}\r\nContent-Length: 57\r\n\r\n".encode() + b'{"addresses": ["10.0.0.10", "::1", 5, "x"], "dns": false}']
    before = looking.resident()
    for number in range(1500):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randrange(6)):
            at = chance.randrange(len(data))
            what = chance.randrange(4)
            if what == 0:
                data[at] = chance.randrange(256)
            elif what == 1:
                del data[at:at + chance.randrange(8)]
            elif what == 2:
                data[at:at] = bytes(chance.randrange(256) for _ in range(chance.randrange(8)))
            else:
                data[at:at] = data[:chance.randrange(len(data))]
            data = data or bytearray(b"G")
        with socket.create_connection(("127.0.0.1", looking.port), timeout=0.02) as sock:
            sock.sendall(data[:len(data) // 2] if number % 7 == 0 else data)
            try:
                sock.recv(256)
            except OSError:
                pass
    assert looking.child.poll() is None and looking.ask("GET", "/api/v1/status", headers=session)[0] == 200
    assert looking.resident() < before + 32768, "kB"
    assert page.child.poll() is None


# Parameters of the API, with values that are right and such as are not.
NAMES = ["address", "source", "destination", "port", "proto", "zone", "from", "to", "state", "rule", "flow", "verdict", "reason", "why", "format", "columns", "sort", "order",
         "limit", "offset", "cursor", "group", "rates", "details", "name", "part", "octets", "events", "flows", "at", "since", "until", "who", "span", "kind", "before", "text", "x"]
VALUES = ["", "0", "1", "-1", "99999999999999999999", "10.0.0.10", "::/0", "10.0.0.0/33", "443", "80-443", "443-80", "tcp", "lan", "not lan", "not ", "ESTABLISHED", "web", "policy.conf:9",
          "0" * 16, "f" * 16, "json", "csv", "bytes", "rate", "desc", "host", "5c.0.155cce", "%00", "%ff%fe", "a" * 5000, "," * 300, "tcp,udp," * 40, HTML, "'; drop table entry; --", "%", "%zz"]


def test_any_parameter_is_answered(page, wall):
    """A bounded fuzz of the control API through the page: each wish is answered or refused in words, and the daemon is the same afterwards."""
    chance, session, before = random.Random(12), page.login(), wall.data("status")[0]
    told = {}
    for _ in range(600):
        path = chance.choice(["states", "mappings", "limits", "sets", "counters", "status", "totals", "policy", "states?group=host", "%2e%2e/stop", "states/"])
        query = "&".join(chance.choice(NAMES) + "=" + urllib.parse.quote(chance.choice(VALUES), safe="%") for _ in range(chance.randrange(4)))
        status, _, text = page.ask("GET", f"/api/v1/{path}{'&' if '?' in path else '?'}{query}", headers=session)
        assert status in (200, 400, 404, 405, 414, 431, 503), (path, query, status, text)
        assert status == 200 or json.loads(text)["error"], (path, query, text)
        told[status] = told.get(status, 0) + 1
    for _ in range(200):
        words = "".join(chance.choice(["lan ", "wan ", CLIENT4, ":80", " > ", " tcp", " syn", " udp", " icmp type ", "%", "\0", "\u00e4", "[", "]", "9" * 40, " "]) for _ in range(chance.randrange(14)))
        status, _, text = page.ask("POST", "/api/v1/explain", {"packet": words, "all": chance.choice([True, False, "x", None])}, session)
        assert status in (200, 400), (words, status, text)
    assert told[200] > 30 and told[400] > 100, told
    after = wall.data("status")[0]
    assert (after["pid"], after["generation"], after["table"]["killed"]) == (before["pid"], before["generation"], before["table"]["killed"])


def test_names_of_hosts(page, names):
    """Leases at once; the DNS only where somebody asks for it, later, and nobody waits for it."""
    session, addresses = page.login(), [CLIENT4, SERVER4, "2001:db8::10", "192.0.2.99", "no address", 5]

    def ask(dns):
        status, _, text = page.ask("POST", "/api/names", {"addresses": addresses, "dns": dns}, session)
        assert status == 200, text
        return json.loads(text)["names"]
    assert ask(False) == {CLIENT4: {"name": LEASE, "from": "lease"}} and not names.asked
    assert ask(True).keys() == {CLIENT4}
    wait_for(lambda: len(ask(True)) == 3, 20, "names by the DNS")
    assert ask(True)[SERVER4] == {"name": names.SHOWN, "from": "dns"}
    assert ask(False).keys() == {CLIENT4} and not [name for name in names.asked if name.startswith("10.0.0.10")], names.asked
    def hosts(**wish):
        status, _, text = page.ask("POST", "/api/names", wish, session)
        assert status == 200, text
        return json.loads(text)
    assert hosts(host=LEASE.upper()) == {"addresses": [CLIENT4], "more": False} == hosts(host=LEASE[3:7], contains=True)
    assert hosts(host=LEASE[3:7])["addresses"] == [] == hosts(host=names.SHOWN)["addresses"], "a part is no name, and DNS is not asked for"
    for word in (names.SHOWN, names.SHOWN.split(".")[0]):
        assert sorted(hosts(host=word, dns=True)["addresses"]) == [SERVER4, "2001:db8::10"], word
    for wrong in ("", 5):
        assert page.ask("POST", "/api/names", {"host": wrong}, session)[0] == 400
    wait_for(lambda: names.asked.count("99.2.0.192.in-addr.arpa") == 2, 20, "two tries")
    asked = len(names.asked)
    ask(True)
    time.sleep(0.5)
    assert len(names.asked) == asked, "what is known is not asked again"
    many = {"addresses": [f"198.18.{i // 250}.{i % 250}" for i in range(3000)], "dns": True}
    assert page.ask("POST", "/api/names", many, session)[0] == 200
    wait_for(lambda: len(names.asked) >= asked + 500, 30, "the first of them")
    assert len(names.asked) <= asked + 1000 + 32, "a thousand of a request"
    for body in ({}, {"addresses": "x"}, [], b"{"):
        assert page.ask("POST", "/api/names", body, session)[0] == 400, body
    assert page.ask("POST", "/api/names", {"addresses": []})[0] == 401


def test_a_body_that_is_too_long_is_refused(page):
    session = page.login("act")
    assert page.ask("POST", "/api/v1/explain", {"packet": "x" * 70000}, session)[0] == 413
    assert page.ask("POST", "/api/policy/try", {"text": "#" * (5 << 20)}, session)[0] == 413


def test_long_bodies_fill_no_memory_of_who_may_not_send_them(page, looking):
    body = b'{"text": "' + b"#" * 3000000
    for one, headers in ((page, {}), (page, page.login()), (looking, looking.login())):
        before, socks = one.resident(), []
        for _ in range(20):
            sock = socket.create_connection(("127.0.0.1", one.port), timeout=10)
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            sock.sendall(f"POST /api/policy/try HTTP/1.1\r\nHost: 127.0.0.1:{one.port}\r\n{head}Content-Length: 4000000\r\n\r\n".encode() + body)
            socks.append(sock)
        time.sleep(0.5)
        assert one.resident() < before + 20480, "kB"
        for sock in socks:
            sock.close()
        assert one.ask("POST", "/api/policy/try", {"text": "#" * 100000}, headers)[0] in (401, 403)
    assert page.ask("POST", "/api/policy/try", {"text": POLICY + "#" * 900000}, page.login("act"))[0] == 200


def test_it_ends_with_its_opener(wall, tmp_path):
    made = Page(wall, tmp_path)
    process = made.process()
    made.close()
    pagelab.wait_until(lambda: not os.path.exists(f"/proc/{process}"), 5, "the process without rights is gone")
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        made.ask("GET", "/")
