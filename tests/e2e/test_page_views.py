# SPDX-License-Identifier: BSD-2-Clause
"""`keepstate page` in a browser: every view before a live firewall with traffic."""
import json
import subprocess
import time

import journals
import lab as labs
import pagelab
import pytest
from lab import CLIENT4, SERVER4, wait_for
from pagelab import ACCESS, HTML, LEASE, POLICY, browsing

pytest_plugins = ["pagewall"]

VIEWS = ["overview", "connections", "log", "rules", "why?packet=" + f"wan {SERVER4}:40000 > lan {CLIENT4}:8080 tcp syn", "change"]


@pytest.fixture(scope="module")
def journal(wall, tmp_path_factory):
    if journals.reason_to_skip():
        pytest.skip(journals.reason_to_skip())
    made = journals.Journal(wall, tmp_path_factory.mktemp("journal") / "log").start()
    yield made
    made.end()


# Two connections from one port of ours; a line ends the second one.
TWO = f"""if True:
    import socket, sys
    socks = []
    for port in (5701, 5702):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("{CLIENT4}", 45000))
        one.connect(("{SERVER4}", port))
        one.sendall(b"x" * 1000)
        one.recv(1000, socket.MSG_WAITALL)
        socks.append(one)
    print("ready", flush=True)
    sys.stdin.readline()
    socks[1].close()
    sys.stdin.readline()"""


@browsing
def test_a_tab_that_was_not_logged_in_only_looks(browser):
    browser.go("change")
    browser.driver.refresh()
    browser.wait("document.querySelector('.editor textarea')?.value.includes('zone lan')", "the right to act stays with the tab")
    browser.run("sessionStorage.clear()")
    browser.driver.refresh()
    browser.wait_text("log in again to change something", "main")
    browser.button("Log out")
    browser.wait("document.getElementById('token') !== null", "the form")
    browser.driver.refresh()
    browser.wait("document.getElementById('token') !== null", "it is logged out")
    assert browser.complaints() == []


@browsing
def test_the_editor_stays_empty_without_the_file(browser, wall):
    browser.go("overview")
    wall.path.write_text(POLICY + "#" * (1 << 20))
    try:
        browser.go("change")
        browser.wait_text("can be changed here", "main")
        assert browser.run("const area = document.querySelector('.editor textarea'); return [area.value, area.disabled]") == ["", True]
        assert browser.run(ACCESS) == []
    finally:
        wall.path.write_text(POLICY)
        browser.go("overview")


@browsing
def test_hosts_are_filtered_by_their_names(browser, lab, names):
    """In Connections by the daemon, in the Log live and of before; a name that nobody has finds nothing, and it is said."""
    lab.client.resolve(SERVER4)
    lab.client.run("curl", "-s", "-m", "2", f"http://{SERVER4}/")
    part = LEASE[3:7]
    browser.go(f"connections?q=host~{part}")
    browser.wait_text(CLIENT4, "main table")
    browser.go("connections?q=host:nobody-at-all")
    browser.wait_text("No host is known by the name", "main")
    browser.wait_text("No connection fits.", "main table")
    browser.go(f"connections?q=!host~{part}")
    browser.wait(f"!document.querySelector('main tbody').innerText.includes('{CLIENT4}')", "all others")
    browser.go(f"log?q=host~{part}")
    browser.wait("document.querySelector('.search input').value.startsWith('host~')", "the log")
    wait_for(lambda: lab.client.run("curl", "-s", "-m", "1", f"http://{SERVER4}:25/") and CLIENT4 in browser.text("main table"), 20, "what comes is told")
    browser.go("log?q=host:nobody-at-all")
    browser.wait_text("No host is known by the name", "main")
    lab.client.run("curl", "-s", "-m", "1", f"http://{SERVER4}:25/")
    assert CLIENT4 not in browser.text("main table")
    assert browser.complaints() == []


@browsing
def test_the_form_lets_in_who_has_the_token(chromium, page):
    chromium.open(page)
    chromium.wait("document.activeElement.id === 'token'", "the field has the focus")
    chromium.shot("login")
    assert chromium.run(ACCESS.replace("|| !document.querySelector('nav[aria-label]')", "")) == []
    from selenium.webdriver.common.keys import Keys
    chromium.driver.switch_to.active_element.send_keys("wrong" + Keys.ENTER)
    chromium.wait_text("this is not the token")
    chromium.driver.switch_to.active_element.send_keys(page.token() + Keys.ENTER)
    chromium.wait("document.querySelector('#live.on') !== null", "live")
    assert page.token() not in chromium.driver.current_url and chromium.run("return document.cookie") == "", "scripts do not see the cookie"
    chromium.button("Log out")
    chromium.wait("document.getElementById('token') !== null", "the form")


@browsing
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_view_is_there_and_for_everybody(browser, traffic, theme):
    browser.run("localStorage.setItem('theme', arguments[0]); document.documentElement.dataset.theme = arguments[0]", theme)
    traffic.some()
    for view in VIEWS:
        name = view.split("?")[0]
        browser.go(view)
        if name == "log":
            traffic.some()
        browser.wait({"overview": "document.querySelectorAll('.tile svg').length === 4", "connections": "document.querySelectorAll('tbody tr.open').length > 0",
                      "log": "document.querySelectorAll('.log tbody tr.open').length > 3", "rules": "document.querySelectorAll('.rules tr.rule').length > 5",
                      "why": "document.querySelectorAll('.steps li').length > 2", "change": "document.querySelector('.editor textarea').value.includes('zone lan')"}[name], name)
        browser.shot(f"{name}-{theme}")
        assert browser.run(ACCESS) == [], name
        assert browser.run("return document.documentElement.scrollWidth <= window.innerWidth"), f"{name} is wider than the window"
    assert browser.complaints() == []


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    return pagelab.find_axe(tmp_path_factory.mktemp("axe"))


@browsing
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(browser, traffic, axe, theme):
    """Every view, a connection that is open, and the narrow screen, by axe-core."""
    browser.run("localStorage.setItem('theme', arguments[0]); document.documentElement.dataset.theme = arguments[0]", theme)
    browser.driver.execute_script(axe + ";window.axe = axe;")
    browser.run("document.body.append(Object.assign(document.createElement('img'), {id: 'nameless', src: '/icon.svg'}))")
    assert any(one.startswith("image-alt") for one in browser.driver.execute_async_script(pagelab.RUN_AXE)), "it finds what is wrong"
    browser.run("document.getElementById('nameless').remove()")
    wrong = []
    traffic.some()
    for width in (1440, 375) if theme == "light" else (1440,):
        browser.size(width, 900)
        for view in VIEWS:
            browser.go(view)
            browser.wait("document.querySelectorAll('main h1').length === 1", view)
            time.sleep(1.5)
            wrong += [f"{view} {width}: {one}" for one in browser.driver.execute_async_script(pagelab.RUN_AXE)]
    traffic.some()  # earlier connections may have ended while axe looked
    browser.go("connections")
    browser.click("tbody tr.open")
    browser.wait_text("Sent by the opener", "dialog")
    time.sleep(1)
    wrong += [f"an open connection: {one}" for one in browser.driver.execute_async_script(pagelab.RUN_AXE)]
    browser.key("ESCAPE")
    browser.button("Log out")
    browser.wait("document.getElementById('token') !== null", "the form")
    wrong += [f"the form: {one}" for one in browser.driver.execute_async_script(pagelab.RUN_AXE)]
    assert wrong == []


@browsing
def test_html_in_labels_does_nothing(browser, lab):
    browser.run("window.called = 0; window.alert = () => { window.called++; }")
    browser.go("log")
    wait_for(lambda: lab.client.fetch(f"http://{SERVER4}:25/", seconds=1) and HTML in browser.text(".log"), what="what comes is told, once the stream is open")
    browser.click(".log tbody tr.open")
    browser.wait("document.querySelector('dialog[open] .steps li') !== null", "the explanation")
    browser.shot("log-open-light")
    browser.go("rules")
    browser.wait_text(HTML, ".rules")
    browser.go("connections?q=" + HTML.replace(" ", "%20"))
    assert browser.run("return [window.called, document.querySelectorAll('img:not([src=\"/icon.svg\"])').length]") == [0, 0]
    assert browser.complaints() == []


@browsing
def test_names_of_hosts_are_text(browser, lab, names):
    """By lease at once, by DNS when the button is pressed; what they say is shown and does nothing."""
    browser.run("window.called = 0; window.alert = () => { window.called++; }")
    lab.client.resolve(SERVER4)
    browser.go("connections?q=address:" + SERVER4)
    browser.wait_text(LEASE, "main table")
    assert names.SHOWN not in browser.text("main table")
    browser.button("Names by DNS", "main")
    browser.wait_text(names.SHOWN, "main table")
    browser.click("tbody tr.open")
    browser.wait_text(LEASE, "dialog .facts")
    browser.wait_text(names.SHOWN, "dialog .facts")
    browser.shot("names-light")
    assert browser.run("return [window.called, document.querySelectorAll('img:not([src=\"/icon.svg\"])').length]") == [0, 0]
    assert browser.run(ACCESS) == []
    browser.key("ESCAPE")
    browser.button("Host", "main")
    browser.wait_text(LEASE, "main table")
    assert browser.complaints() == []


@browsing
def test_a_connection_opens_and_is_killed(browser, lab, wall, watch):
    watch.start(lab.server, "serve", 5700)
    watch.start(lab.client, "follow", SERVER4, 5700)
    browser.go("connections?q=port:5700")
    browser.wait("document.querySelectorAll('tbody tr.open').length === 1", "the connection, and no other")
    browser.run("document.querySelector('tbody tr.open').focus()")
    browser.key("ENTER")
    browser.wait_text("Sent by the opener", "dialog")
    browser.shot("connection-light")
    assert browser.run(ACCESS) == []
    browser.key("ESCAPE")
    browser.wait("document.querySelector('dialog') === null", "Escape closes it")
    assert browser.run("return document.activeElement.tagName") == "TR", "the focus is back"
    browser.click("tbody tr.open")
    browser.button("Kill it", "dialog")
    browser.wait_text("It is ended", "#toasts")
    assert not wall.data("states", "--port", "5700")
    assert browser.complaints() == []


@browsing
def test_an_open_connection_tells_all_of_it(browser, lab, wall, watch, journal):
    """Windows of both sides, the text of its rule, its events of before and while it is open; and only it is killed."""
    for port in (5701, 5702):
        watch.start(lab.server, "serve", port)
    client = lab.client.start("/usr/bin/python3", "-c", TWO, stdin=subprocess.PIPE)
    try:
        wait_for(lambda: len(wall.data("states", "--port", "45000", "--state", "ESTABLISHED")) == 2, 20, "two connections")
        browser.go("connections?q=port:45000&sort=port&order=asc")
        browser.wait("document.querySelectorAll('tbody tr.open').length === 2", "both")
        browser.button("Pause", "main")
        browser.run("[...document.querySelectorAll('tbody tr.open')].find(row => row.innerText.includes(':5702')).click()")
        browser.wait_text("may send", "dialog")
        for words in ("largest window", "scale", "SACK", "acknowledged", 'allow from lan to wan tcp port', "policy.conf:"):
            assert words in browser.text("dialog .facts"), words
        assert "45000" in browser.text("dialog .facts .two > div:first-child") and browser.run("return document.querySelectorAll('dialog .two > div').length") == 2
        browser.wait_text("established", "dialog .events")
        assert len(browser.text("dialog .events").splitlines()) == 3, "those of this connection alone: " + browser.text("dialog .events")
        browser.shot("connection-open-light")
        client.stdin.write("\n")
        client.stdin.flush()
        browser.wait("/end (closed|reset)/.test(document.querySelector('dialog .events').innerText)", "its end")
        wall.cli("states", "kill", "--port", "5702")
        browser.wait_text("It has ended", "dialog")
        assert browser.run("return [...document.querySelectorAll('dialog button')].find(one => one.innerText === 'Kill it').disabled")
        browser.key("ESCAPE")
        browser.run("[...document.querySelectorAll('tbody tr.open')].find(row => row.innerText.includes(':5701')).click()")
        browser.wait_text("may send", "dialog")
        browser.button("Watch this host", "dialog")
        browser.wait("location.hash.includes('log') && document.querySelector('.search input').value.includes('address:" + CLIENT4 + "')", "its log")
        assert browser.complaints() == []
    finally:
        client.kill()
        client.wait()


def test_one_of_two_connections_between_the_same_hosts_is_killed(lab, page, wall, watch):
    for port in (5703, 5704):
        watch.start(lab.server, "serve", port)
    client = lab.client.start("/usr/bin/python3", "-c", TWO.replace("5701", "5703").replace("5702", "5704"), stdin=subprocess.PIPE)
    try:
        wait_for(lambda: len(wall.data("states", "--port", "45000", "--port", "5703-5704", "--state", "ESTABLISHED")) >= 2, 20, "two connections")
        session = page.login("act")
        flows = [json.loads(line) for line in page.ask("GET", "/api/v1/states?port=5703-5704&details=1", headers=session)[2].splitlines()]
        one = next(flow for flow in flows if flow["destination_port"] == 5703)
        status, _, text = page.ask("DELETE", f"/api/v1/states?flow={one['flow']}", headers=session)
        assert status == 200 and json.loads(text)["killed"] == 1, text
        assert [flow["destination_port"] for flow in wall.data("states", "--port", "5703-5704")] == [5704]
    finally:
        client.kill()
        client.wait()


@browsing
def test_rules_that_others_hide_are_marked_for_everybody(browser, wall, page):
    """Readers see them too; a failing test of the file, which is not in force, is shown to those who may act."""
    wall.path.write_text(POLICY.replace("=> reject", "=> allow"))
    try:
        browser.go("rules")
        browser.wait_text("never reached", ".rules tr.shadowed")
        browser.wait_text("fails in the file as it is now", ".rules tr.wrong")
        browser.wait_text("expected allow", "main .diag")
        browser.shot("rules-wrong-light")
        assert browser.run(ACCESS) == []
        browser.open(page, "view")
        browser.go("rules")
        browser.wait_text("never reached", ".rules tr.shadowed")
        browser.wait_text("1 test, passed when it was loaded", "main")
        assert not browser.run("return document.querySelector('.rules tr.wrong') || document.querySelector('main .diag')") and "=> allow" not in browser.text("main")
    finally:
        wall.path.write_text(POLICY)
    assert browser.complaints() == []


@browsing
def test_a_second_tab_may_act_too(browser, page):
    first = browser.driver.current_window_handle
    browser.driver.switch_to.new_window("tab")
    try:
        browser.driver.get(f"http://127.0.0.1:{page.port}/#/change")
        browser.wait("document.querySelector('.editor textarea')?.value.includes('zone lan')", "the right to act came from the first tab")
    finally:
        browser.driver.close()
        browser.driver.switch_to.window(first)


@browsing
def test_the_log_is_searched_where_it_is_kept(browser, lab, journal):
    """An entry with hundreds behind it is found by the filter, and by the time."""
    lab.server.ping(CLIENT4, count=1)
    wait_for(lambda: journal.lines("/v1/history", kind="packet", proto="icmp"), 20, "the first entry")
    end = int(time.time()) + 1
    time.sleep(2)
    send = "import socket, time\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\nfor p in range(20000, 20400):\n  s.sendto(b'x', ('192.0.2.10', p)); time.sleep(0.002)"
    lab.client.run("/usr/bin/python3", "-c", send, timeout=60)
    wait_for(lambda: len(journal.lines("/v1/history", kind="flow", port="20000-20399")) >= 250, 20, "hundreds behind it")
    browser.go("log?flows=1&q=proto:icmp or port:20000")
    browser.wait("[...document.querySelectorAll('.log tbody tr.open')].some(row => row.innerText.includes('icmp type 8'))", "the entry of before")
    browser.wait("[...document.querySelectorAll('.log tbody tr.open')].some(row => row.innerText.includes(':20000'))", "the other one")
    assert not browser.run("return [...document.querySelectorAll('.log tbody tr.open')].some(row => row.innerText.includes(':20007'))")
    browser.go("log?fold=0&flows=1")
    browser.run("""const when = document.querySelector('.at input'), date = new Date(arguments[0] * 1000), two = n => String(n).padStart(2, '0');
        when.value = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
        when.dispatchEvent(new Event('change'));""", end)
    browser.wait_text("of the journal", ".sum")
    rows = "[...document.querySelectorAll('.log tbody tr.open')]"
    browser.wait(f"{rows}.some(row => row.innerText.includes('icmp type 8')) && !{rows}.some(row => /:20[0-3]\\d\\d/.test(row.innerText))", "those of then")
    browser.shot("log-then-light")
    assert browser.run(ACCESS) == []
    browser.button("Now", "main")
    browser.wait_text("kept", ".sum")
    assert browser.complaints() == []


@browsing
def test_the_keyboard_does_everything(browser, lab, traffic):
    """Nothing but keys: to the content, between views, into the filter and a row, out of it, and through Why?."""
    from selenium.webdriver import ActionChains

    def at(script):
        return browser.run("const one = document.activeElement; return " + script)

    def tab_to(script, what, most=60):
        for _ in range(most):
            browser.key("TAB")
            if at(script):
                assert browser.run("return getComputedStyle(document.activeElement).outlineStyle !== 'none'"), f"the focus on {what} is not seen"
                return
        raise AssertionError(f"Tab does not come to {what}")
    traffic.some()
    browser.run("document.activeElement.blur(); window.scrollTo(0, 0)")
    tab_to("one.classList.contains('skip')", "the link to the content", 1)
    tab_to("one.dataset.view === 'connections'", "the view")
    browser.key("ENTER")
    browser.wait("document.querySelectorAll('tbody tr.open').length > 0", "connections")
    ActionChains(browser.driver).send_keys("/").perform()
    assert at("one.type === 'search'"), "'/' goes to the filter"
    ActionChains(browser.driver).send_keys("proto:tcp").perform()
    browser.key("ENTER")
    browser.wait("location.hash.includes('proto')", "the filter")
    tab_to("one.tagName === 'TH' || one.closest('th')", "the order")
    browser.key("ENTER")
    tab_to("one.tagName === 'TR'", "a row")
    browser.key("ENTER")
    browser.wait_text("Sent by the opener", "dialog")
    tab_to("one.innerText?.startsWith('Why?') && one.closest('dialog')", "Why? of it")
    browser.key("ENTER")
    browser.wait("document.querySelectorAll('.steps li').length > 2", "the explanation")
    tab_to("one.name === 'source'", "a field")
    ActionChains(browser.driver).send_keys(CLIENT4).perform()
    tab_to("one.name === 'destination'", "the next one")
    ActionChains(browser.driver).send_keys(SERVER4).perform()
    browser.key("ENTER")
    browser.wait("document.getElementById('packet').value.includes('10.0.0.10:40000 > 192.0.2.10:443 tcp')", "asked by Enter")
    assert browser.complaints() == []


@browsing
def test_why_tells_what_lies_beside_the_policy(browser, lab, wall):
    """No route, no forwarding, a source of elsewhere: each as a step, in words; and a line of tcpdump is read."""
    def why(words):
        browser.go("overview")
        browser.go("why?packet=" + words)
        browser.wait("document.querySelectorAll('.steps li').length > 2", "the explanation")
        return browser.text(".steps").lower()
    assert "no route leads to 203.0.113.77" in why(f"lan {CLIENT4}:40000 > 203.0.113.77:443 tcp syn")
    good = f"lan {CLIENT4}:40000 > wan {SERVER4}:443 tcp syn"
    assert "no route" not in why(good) and "does not forward" not in browser.text(".steps")
    lab.gateway.run("sysctl", "-qw", "net.ipv4.ip_forward=0", check=True)
    try:
        assert "the kernel does not forward ipv4: sysctl -w net.ipv4.ip_forward=1" in why(good)
        browser.shot("why-forwarding-light")
        assert browser.run(ACCESS) == []
    finally:
        lab.gateway.run("sysctl", "-qw", "net.ipv4.ip_forward=1", check=True)
    assert "10.0.0.10" in why(f"wan {CLIENT4}:40000 > lan {CLIENT4}:80 tcp syn") and "spoofed source" in browser.text("main").lower()
    browser.run("const box = document.querySelector('main textarea'); box.value = arguments[0]; box.dispatchEvent(new Event('input'))",
                f"12:00:01.123 IP {CLIENT4}.40000 > {SERVER4}.25: Flags [S], seq 1, win 64240, length 0")
    browser.wait_text("reject", ".outcome")
    assert browser.complaints() == []


@browsing
def test_a_narrow_screen_has_everything(browser):
    browser.size(375, 740)
    for view in VIEWS:
        browser.go(view)
        time.sleep(1.2)
        browser.shot(view.split("?")[0] + "-narrow")
        assert browser.run("return document.documentElement.scrollWidth <= window.innerWidth"), f"{view} is wider than the screen"
        assert browser.run(ACCESS) == [], view


@browsing
def test_a_policy_is_changed_in_the_browser(browser, wall):
    browser.go("change")
    browser.wait("document.querySelector('.editor textarea').value.includes('zone lan')", "the text")
    edit = "const area = document.querySelector('.editor textarea'); area.value = arguments[0]; area.dispatchEvent(new Event('input'))"
    browser.run(edit, POLICY + "allow from lna to wan\n")
    browser.button("Try it")
    browser.wait_text("did you mean 'lan'")
    browser.shot("change-wrong-light")
    browser.run(edit, POLICY + "allow from wan to self tcp port 8443\n")
    browser.button("Try it")
    browser.wait_text("+ allow from wan to self tcp port 8443")
    assert "None: that is proved." not in browser.text("section[aria-label^='Packets that are']")
    assert browser.run("return [...document.querySelectorAll('.diag .minus')].map(one => one.innerText)") == ["- no rule: denied by default"]
    assert browser.run("return [...document.querySelectorAll('.diag .plus')].map(one => one.innerText)") == [
        f"+ line {POLICY.count(chr(10)) + 1}: allow from wan to self tcp port 8443"]
    told = browser.text(".diag .mono")
    assert told.startswith("wan ") and " > self " in told and ":8443 tcp syn" in told, told
    browser.shot("change-differs-light")
    browser.button(f"line {POLICY.count(chr(10)) + 1}", ".diag")
    assert browser.run("const area = document.querySelector('.editor textarea'); return area.value.slice(area.selectionStart, area.selectionEnd)") == "allow from wan to self tcp port 8443"
    browser.run(edit, POLICY + "# nothing else\n")
    browser.button("Try it")
    browser.wait_text("None: that is proved.")
    browser.run(edit, POLICY + "allow from wan to self tcp port 8443\n")
    browser.button("Try it")
    browser.wait_text("+ allow from wan to self tcp port 8443")
    browser.button("Apply on trial")
    browser.wait_text("until it goes back by itself")
    browser.shot("change-trial-light")
    browser.button("Keep it", "main")
    wait_for(lambda: "unconfirmed" not in wall.data("status")[0], 20, "it is kept")
    wait_for(lambda: wall.data("status")[0]["policy"] == str(wall.path), 20, "the file has its place and is in force by its own name")
    assert "8443" in wall.path.read_text()
    wall.path.write_text(POLICY)
    wall.say("reload")
    assert browser.complaints() == []


@browsing
def test_300000_connections(browser, lab, wall, page):
    for last in range(11, 15):
        lab.server.ip("addr", "add", f"192.0.2.{last}/24", "dev", "eth0")
    send = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 45100))\nfor a in range(10, 15):\n  for p in range(1024, 62024):\n    s.sendto(b'x', ('192.0.2.%d' % a, p))"
    try:
        def flows():
            lab.client.run("/usr/bin/python3", "-c", send, timeout=300)
            return wall.data("status")[0]["table"]["flows"]
        wait_for(lambda: flows() > 300000, what="flows: a busy machine's queues lose some, which are sent again")
        if page.ask("GET", "/api/v1/states?sort=bytes&limit=1", headers=page.login())[0] != 200:
            pytest.skip("this daemon does not sort")
        browser.go("connections?q=proto:udp&sort=bytes")
        browser.wait("/^[\\d,]{7,} of|^[\\d,]{7,} connections/.test(document.querySelector('.sum').innerText) && document.querySelectorAll('tbody tr.open').length === 100", "a page of them", 60)
        browser.shot("connections-300000")
        shown = "(document.querySelector('.pager .dim')?.innerText ?? '')"
        browser.button("Later →", "main")
        browser.wait(shown + ".startsWith('101–200 of')", "the next page", 60)
        browser.run("location.hash = '#/connections?q=proto:udp&sort=source&offset=99900'")
        browser.wait(shown + ".startsWith('99,901–100,000 of')", "as far as an offset reaches", 60)
        browser.button("Later →", "main")
        browser.wait(shown + ".startsWith('100,001–100,100 of') && document.querySelectorAll('tbody tr.open').length === 100", "beyond it, by the cursor", 60)
        browser.button("Port", "main")
        browser.wait_text("groups", ".sum", 60)
    finally:
        wall.cli("states", "kill", "--proto", "udp", timeout=60)
        for last in range(11, 15):
            lab.server.ip("addr", "del", f"192.0.2.{last}/24", "dev", "eth0")


@browsing
def test_a_log_of_5000_lines_a_second(browser, lab, wall):
    """Thousands come, hundreds are drawn, and the page answers."""
    wall.path.write_text(POLICY + "limit log 10000\nlimit log-per-source 10000\n")
    wall.say("reload")
    browser.go("log?fold=0")
    time.sleep(1)
    mac = json.loads(lab.gateway.run("ip", "-j", "link", "show", "wan0", check=True).stdout)[0]["address"].replace(":", "")
    pairs = [f"{mac}:192.0.2.{last}:{CLIENT4}" for last in range(100, 140)]
    child = lab.server.python("eth0", 5000, 60, 4000, *pairs, program="flood.py")
    try:
        browser.wait("Number((document.querySelector('.sum').innerText.match(/([\\d,]+) a second/) || [0, '0'])[1].replaceAll(',', '')) > 2000", "thousands a second", 30)
        assert browser.run("return document.querySelectorAll('.log tbody tr').length") <= 320
        browser.shot("log-5000")
    finally:
        labs.end_process(child)
        wall.path.write_text(POLICY)
        wall.say("reload")


@browsing
def test_the_daemon_starts_anew_under_the_open_page(browser, lab, wall, traffic):
    browser.go("log")
    browser.wait("document.querySelector('#live.on') !== null", "live")
    wall.crash()
    browser.wait_text("no daemon answers", "#banners")
    browser.shot("away-light")
    assert browser.run(ACCESS) == []
    wall.start()
    browser.wait("document.querySelector('#live.on') !== null && document.getElementById('banners').innerText === ''", "live again", 60)
    browser.wait_text("the daemon was away here", ".log")
    traffic.some()
    browser.wait("document.querySelectorAll('.log tbody tr.open').length > 0", "the log goes on")
    browser.go("overview")
    browser.wait("document.querySelectorAll('.tile svg').length === 4", "the overview")
    assert browser.complaints() == []
