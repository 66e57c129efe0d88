# SPDX-License-Identifier: BSD-2-Clause
"""Figures for Prometheus: what `GET /metrics` says, the server without rights, and a real Prometheus that scrapes it."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from conftest import need
from lab import CLIENT4, KEEPSTATE, SERVER4, Firewall, end_process, wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
PORT = 9617
POLICY = """
zone lan { lan0 }
zone wan { wan0 }
set blocked { 198.51.100.0/24 } dynamic, limit 100
deny from any source @blocked
allow from lan to wan tcp port 80 log "the \\"web\\""
allow from lan to wan udp port 53 log "dns"
allow from lan to wan icmp
allow from self
"""
LINE = re.compile(r'^([a-z_]+)(?:\{(.*)\})? ([-+0-9.e]+)$')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


@pytest.fixture(scope="module")
def counted(lab, tmp_path_factory):
    firewall = Firewall(lab.gateway, POLICY, tmp_path_factory.mktemp("counted")).start()
    yield firewall
    firewall.stop()


def socket_of(firewall):
    return f"/run/keepstate/{firewall.instance()}/control.sock"


def readers_of(firewall):
    return f"/run/keepstate/{firewall.instance()}/read.sock"


def status_of(path):
    """The status of an answer of the metrics by a socket, which is read to its end."""
    done = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", path, "http://keepstate/metrics"],
                          capture_output=True, text=True, timeout=30)
    return done.stdout


def ask(firewall, *words, path="/metrics"):
    """Asks the control API as curl does; returns the body."""
    done = subprocess.run(["curl", "-sS", "--fail-with-body", "--unix-socket", socket_of(firewall), f"http://keepstate{path}", *words],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done
    return done.stdout


def samples(text):
    """{(name, ((label, value), ...)): number}"""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        match = LINE.match(line)
        assert match, line
        key = match[1], tuple(LABEL.findall(match[2] or ""))
        assert key not in found, f"twice: {line}"
        found[key] = float(match[3])
    return found


def value(text, name, **labels):
    """The sum of the samples of a name that have these labels."""
    return sum(number for (known, given), number in samples(text).items()
               if known == name and labels.items() <= dict(given).items())


def names(text):
    return {name for name, _ in samples(text)}


def traffic(lab):
    assert lab.client.fetch(f"http://{SERVER4}/").returncode == 0
    assert lab.client.resolve(SERVER4).stdout.strip() == SERVER4
    assert lab.server.ping(CLIENT4) == 0


def ask_beside(firewall, read):
    """The metrics, and what a function read that says the same before and after: hosts go on speaking between two readings."""
    for _ in range(20):
        before = read()
        text = ask(firewall)
        if before == read():
            return text, before
        time.sleep(0.5)
    pytest.fail(f"the figures never stood still: {before}, {read()}")


def test_figures(lab, counted):
    """They are those of the other commands."""
    traffic(lab)
    text, counters = ask_beside(counted, lambda: counted.data("counters")[0])
    for reason in counters["reasons"]:
        if reason["reason"] != "neighbour":  # hosts go on speaking
            assert value(text, "keepstate_packets_total", reason=reason["reason"]) == reason["packets"], reason
            assert value(text, "keepstate_bytes_total", reason=reason["reason"]) == reason["bytes"], reason
    for rule in counters["rules"]:
        labels = {"id": str(rule["id"]), "line": str(rule["line"]), "file": rule["file"], "action": rule["action"]}
        for name in ("matches", "packets", "bytes"):
            assert value(text, f"keepstate_rule_{name}_total", **labels) == rule[name], (rule, name)
        assert value(text, "keepstate_rule_flows", **labels) == rule["flows"]
    web = next(rule for rule in counters["rules"] if "port 80" in rule["text"])
    assert web["label"] == 'the "web"' and web["packets"] > 4
    assert value(text, "keepstate_rule_packets_total", label='the \\"web\\"') == web["packets"]
    for zone in counters["zones"]:
        pair = {"from": zone["from"], "to": zone["to"].replace("unknown", "(unknown)")}
        for fate in ("passed", "dropped"):
            if zone["from"] in ("lan", "wan"):
                assert value(text, "keepstate_zone_packets_total", verdict=fate, **pair) == zone[fate]["packets"], zone
                assert value(text, "keepstate_zone_bytes_total", verdict=fate, **pair) == zone[fate]["bytes"], zone
        assert value(text, "keepstate_zone_openings_total", **pair) == zone["opened"]["packets"]
    assert value(text, "keepstate_zone_packets_total", **{"from": "wan", "to": "lan", "verdict": "dropped"}) >= 3


def test_states_and_limits(lab, counted):
    def read():
        """How many states there are by protocol and state, and how many were made."""
        found = {}
        for state in counted.data("states"):
            found[state["proto"], state["state"]] = found.get((state["proto"], state["state"]), 0) + 1
        return found, counted.data("status")[0]["table"]["created"]

    traffic(lab)
    text, (found, created) = ask_beside(counted, read)
    status = counted.data("status")[0]
    for (proto, state), count in found.items():
        assert value(text, "keepstate_states", protocol=proto, state=state) == count
    assert value(text, "keepstate_states") == sum(found.values()) > 0
    assert ("keepstate_states", (("protocol", "tcp"), ("state", "SYN_RECV"))) in samples(text), "0 is shown, too"
    assert value(text, "keepstate_states_limit") == status["table"]["limit"]
    assert value(text, "keepstate_half_open_states_limit") == status["table"]["half_open_limit"]
    assert value(text, "keepstate_flows_created_total") == created
    assert value(text, "keepstate_table_records_limit", kind="fragment") == status["table"]["records"]["fragments"]["limit"]
    assert value(text, "keepstate_interfaces", zone="lan", role="guarded") == 1
    assert value(text, "keepstate_set_entries", set="blocked") == 1 and value(text, "keepstate_set_entries_limit", set="blocked") == 100
    assert value(text, "keepstate_build_info", version=status["version"]) == 1
    assert value(text, "keepstate_events_lost_total") == status["events_lost"]
    assert value(text, "keepstate_scrape_busy_seconds") > 0


def test_program_times(lab, counted):
    """The kernel counts runs and their time only while it is asked to (a setting of the whole machine, which is left as it was)."""
    setting = Path("/proc/sys/kernel/bpf_stats_enabled")
    before = setting.read_text()
    try:
        setting.write_text("1")
    except OSError:
        pytest.skip("kernel.bpf_stats_enabled cannot be set here")
    try:
        first = ask(counted)
        traffic(lab)
        second = ask(counted)
        assert value(second, "keepstate_program_statistics") == 1
        for name in ("runs_total", "run_seconds_total"):
            assert value(second, f"keepstate_program_{name}") > value(first, f"keepstate_program_{name}")
    finally:
        setting.write_text(before)


def test_counters_never_go_down(lab, counted):
    """Flows end between two scrapes, and while one is made; a policy is loaded again. A counter that fell would be read as a restart."""
    def counters(text):
        return {key: number for key, number in samples(text).items() if key[0].endswith("_total")}

    before = counters(ask(counted))
    for step in (lambda: traffic(lab), lambda: counted.cli("states", "kill", "--all"), lambda: counted.say("reload"),
                 lambda: traffic(lab)):
        step()
        after = counters(ask(counted))
        fallen = {key: (number, after.get(key)) for key, number in before.items() if after.get(key, -1) < number}
        assert not fallen
        before = after


def test_reload_results(counted):
    policy = counted.path.read_text()
    refused = value(ask(counted), "keepstate_reloads_total", result="refused")
    counted.path.write_text("nonsense\n")
    assert counted.cli("reload").returncode == 2
    text = ask(counted)
    assert value(text, "keepstate_reloads_total", result="refused") == refused + 1
    assert value(text, "keepstate_last_reload_successful") == 0
    accepted = value(text, "keepstate_reloads_total", result="accepted")
    counted.path.write_text(policy)
    counted.say("reload")
    text = ask(counted)
    assert value(text, "keepstate_reloads_total", result="accepted") == accepted + 1
    assert value(text, "keepstate_last_reload_successful") == 1


def test_rules_are_bounded(counted):
    """Of thousands of rules a thousand have series, those with a label first; how many have none is said."""
    policy = counted.path.read_text()
    many = "".join(f"allow from lan to wan tcp port {port}\n" for port in range(2000, 4000))
    try:
        counted.path.write_text(policy + many + 'allow from lan to wan tcp port 9 log "last"\n')
        counted.say("reload")
        text = ask(counted)
        assert sum(name == "keepstate_rule_flows" for name, _ in samples(text)) == 1000
        assert value(text, "keepstate_rules_left_out") == value(text, "keepstate_policy_rules") - 1000 > 1000
        assert any(dict(labels).get("label") == "last" for _, labels in samples(text))
        control = socket_of(counted)
        for path, other in [(control, readers_of(counted)), (readers_of(counted), control)]:
            silent = [socket.socket(socket.AF_UNIX) for _ in range(4)]
            try:
                for one in silent:  # they ask for more than their sockets hold, and do not read
                    one.connect(path)
                    one.sendall(b"GET /metrics HTTP/1.1\r\nHost: keepstate\r\n\r\n")
                wait_for(lambda path=path: status_of(path) == "503", what="a fifth is refused")
                assert status_of(other) == "200", "the other socket has places of its own"
            finally:
                for one in silent:
                    one.close()
            wait_for(lambda path=path: status_of(path) == "200", what="room again")
    finally:
        counted.path.write_text(policy)
        counted.say("reload")


def test_formats(counted):
    """The client chooses. What it prefers to neither is Prometheus' own."""
    plain = ask(counted, "-i")
    assert "text/plain; version=0.0.4" in plain and "# EOF" not in plain
    prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;q=0.5"
    for accept, is_open in ((prometheus, True), ("text/plain;q=0.9, application/openmetrics-text;q=0.1", False), ("*/*", False),
                            ("application/openmetrics-text;q=0", False)):
        text = ask(counted, "-i", "-H", f"Accept: {accept}")
        assert ("application/openmetrics-text; version=1.0.0" in text) == is_open, accept
        assert text.endswith("# EOF\n") == is_open
    text = ask(counted, "-H", f"Accept: {prometheus}")
    assert "# TYPE keepstate_build info\n" in text and "# TYPE keepstate_bytes counter\n# UNIT keepstate_bytes bytes\n" in text
    assert "# TYPE keepstate_bytes_total counter\n" in ask(counted)
    assert names(text) == names(ask(counted)) == names(counted.say("metrics")) == names(counted.say("metrics", "--openmetrics"))


@need("promtool")
def test_promtool(counted):
    done = subprocess.run(["promtool", "check", "metrics"], input=counted.say("metrics"), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stdout.strip() and not done.stderr.strip(), done


def test_closest_rules_in_the_api(counted):
    """`explain` of the running firewall names them, as that of a file does."""
    body = {"packet": f"lan {CLIENT4}:4000 > wan {SERVER4}:81 tcp syn"}
    answer = json.loads(ask(counted, "-d", json.dumps(body), path="/v1/explain"))
    best = answer["closest"][0]
    assert best["label"] == 'the "web"' and not best["behind"]
    assert best["failed"] == [{"condition": "port", "why": "port 81 is not its"}]
    out = counted.cli("explain", body["packet"])
    assert out.returncode == 1 and "Closest to letting it pass:" in out.stdout and "port 81 is not its" in out.stdout


# --- the server ---


@pytest.fixture(scope="module")
def server(lab, counted):
    child = lab.gateway.start(KEEPSTATE, "metrics", "--listen", f"127.0.0.1:{PORT}")
    lab.gateway.listening("-t", PORT)
    yield child
    end_process(child)


def curl(lab, *words, path="/metrics"):
    return lab.gateway.run("curl", "-sS", "-i", "--max-time", "20", f"http://127.0.0.1:{PORT}{path}", *words).stdout


def process_status(child):
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{child.pid}/status").read_text().splitlines() if ":\t" in line)


def test_server(lab, counted, server):
    text = curl(lab)
    assert text.startswith("HTTP/1.1 200 OK") and "text/plain; version=0.0.4" in text
    assert names(text.split("\n\n", 1)[1]) == names(ask(counted))
    assert "application/openmetrics-text" in curl(lab, "-H", "Accept: application/openmetrics-text")
    for path in ("/", "/v1/status", "/v1/states", "/metrics/", "//metrics", "/metrics/../v1/policy"):
        assert curl(lab, "--path-as-is", path=path).startswith("HTTP/1.1 404"), path
    for words in (("-X", "POST"), ("-d", "x"), ("-X", "DELETE"), ("-X", "PUT"), ("-X", "OPTIONS")):
        assert curl(lab, *words).startswith("HTTP/1.1 405"), words


def test_server_has_no_rights(server):
    status = process_status(server)
    assert "0" not in status["Uid"].split() and "0" not in status["Gid"].split(), status
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0000000000000000"}
    assert status["NoNewPrivs"] == "1"
    assert len(status["Groups"].split()) <= 1


def test_server_outlives_the_daemon(lab, counted, server):
    counted.crash()
    assert curl(lab).startswith("HTTP/1.1 503")
    counted.start()
    wait_for(lambda: curl(lab).startswith("HTTP/1.1 200"), 30, "metrics again")


def test_server_bears_a_silent_daemon(lab, counted, server):
    """A daemon that is stopped must not hang whoever scrapes."""
    counted.child.send_signal(signal.SIGSTOP)
    try:
        assert curl(lab).startswith("HTTP/1.1 503")
    finally:
        counted.child.send_signal(signal.SIGCONT)
    wait_for(lambda: curl(lab).startswith("HTTP/1.1 200"), 30, "metrics again")


def test_wrong_addresses(lab, counted):
    for address in ("", "9617", "127.0.0.1", "localhost:9617", "[::1:9617", "::1:9617", "127.0.0.1:99999", "x" * 200):
        done = counted.cli("metrics", "--listen", address)
        assert done.returncode == 2 and "such as 127.0.0.1:9617" in done.stderr, (address, done)
    done = counted.cli("metrics", "--listen", f"{CLIENT4}:{PORT}")
    assert done.returncode == 3 and "cannot listen" in done.stderr


def asked(lab, expression):
    """Asks Prometheus; returns its answer."""
    done = lab.gateway.run("curl", "-sS", "--get", "--data-urlencode", f"query={expression}", "http://127.0.0.1:9090/api/v1/query")
    try:
        return json.loads(done.stdout)
    except ValueError:  # it does not listen yet
        return {"status": "none"}


def query(lab, expression):
    """The values of the answer, none without one."""
    answer = asked(lab, expression)
    return [float(one["value"][1]) for one in answer["data"]["result"]] if answer["status"] == "success" else []


@need("prometheus")
def test_prometheus_scrapes_it(lab, counted, server, tmp_path):
    """Debian's own, with the configuration that the documentation gives."""
    config = re.search(r"```yaml\n(.*?)```", (ROOT / "docs" / "metrics.md").read_text(), re.S)[1]
    (tmp_path / "prometheus.yml").write_text("global: { scrape_interval: 1s }\n" + config)
    child = lab.gateway.start("prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
                              "--web.listen-address=127.0.0.1:9090", stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: query(lab, 'up{job="keepstate"}') == [1], 60, "Prometheus has scraped")
        before = query(lab, 'sum(keepstate_zone_packets_total{from="lan",to="wan",verdict="passed"})')
        traffic(lab)
        wait_for(lambda: query(lab, 'sum(keepstate_zone_packets_total{from="lan",to="wan",verdict="passed"})') > before, 30, "more packets")
        assert query(lab, 'sum(keepstate_rule_packets_total{label="dns"})')[0] >= 2
        assert query(lab, "scrape_samples_scraped")[0] > 300
        for title, expression in dashboard_queries():
            expression = expression.replace("$__rate_interval", "5s").replace("$instance", ".*")
            assert asked(lab, expression)["status"] == "success", title
        for title in ("Guarded interfaces", "State table", "Passed by zones", "States by protocol and state", "Busiest rules", "Budgets"):
            expression = next(expression for panel, expression in dashboard_queries() if panel == title)
            assert query(lab, expression.replace("$__rate_interval", "30s").replace("$instance", ".*")), title
    finally:
        end_process(child)


# --- the dashboard ---


def dashboard_queries():
    dashboard = json.loads((ROOT / "packaging" / "grafana" / "keepstate.json").read_text())
    return [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel.get("targets", ())]


def test_dashboard(counted):
    """Every figure that it names exists, and every figure of weight is in it."""
    known, used = names(ask(counted)), set()
    for title, expression in dashboard_queries():
        found = set(re.findall(r"keepstate_[a-z_]+", expression))
        assert found and found <= known, (title, found - known)
        used |= found
    assert {"keepstate_packets_total", "keepstate_zone_bytes_total", "keepstate_rule_bytes_total", "keepstate_states",
            "keepstate_states_limit", "keepstate_events_lost_total", "keepstate_program_run_seconds_total",
            "keepstate_set_entries"} <= used


def test_all_figures_are_documented(counted):
    text = (ROOT / "docs" / "metrics.md").read_text()
    documented = {name for name in re.findall(r"`(keepstate_[a-z_]+)", text)}
    assert names(ask(counted)) == documented


def test_unit():
    """The unit runs it as nobody in particular, who is in the group of the read-only socket."""
    unit = (ROOT / "packaging" / "keepstate-metrics.service").read_text()
    assert re.search(r"^ExecStart=keepstate metrics --listen 127.0.0.1:9617$", unit, re.M)
    assert "DynamicUser=yes" in unit and "SupplementaryGroups=keepstate" in unit and re.search(r"^CapabilityBoundingSet=$", unit, re.M)
    if not shutil.which("systemd-analyze"):
        return
    done = subprocess.run(["systemd-analyze", "--no-pager", "security", "--offline=true",
                           str(ROOT / "packaging" / "keepstate-metrics.service")], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "SYSTEMD_COLORS": "0"})
    level = re.search(r"Overall exposure level for keepstate-metrics.service: ([0-9.]+)", done.stdout)
    assert level and float(level[1]) < 2, done.stdout[-400:] + done.stderr
