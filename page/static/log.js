// SPDX-License-Identifier: BSD-2-Clause
// Log: live, with what the journal remembers behind it; alike lines folded; lost ones told.
import {el, fill, panel, pairs, button, clock, endpoint, verdict, ruleName, exact, note, bytes, span, opens} from "./ui.js";
import * as api from "./api.js";
import {parse, matches, parameters, questions, withTerm} from "./filter.js";
import {go, remember} from "./app.js";
import {searchBar} from "./search.js";
import {explanation, remedy} from "./steps.js";
import {findHosts} from "./names.js";

const KEPT = 5000; // events
const SHOWN = 300; // rows
const DRAW = 250; // ms
const OLDER = 200;

function keyOf(event) {
  if (event.lost || event.gap || event.event === "lost" || event.event === "stop") return null;
  return [event.event, event.verdict, event.reason, event.from, event.to, event.proto, event.source, event.destination, event.destination_port, event.rule?.id, event.why].join("|");
}

function isPacket(event) {
  return event.verdict !== undefined;
}

// Events in order, alike ones as one row with a count.
function fold(events) {
  const rows = [], last = new Map();
  for (const event of events) {
    const key = keyOf(event), row = key && last.get(key);
    if (row) { row.count += 1 + (event.folded || 0); row.event = event; continue; }
    const made = {event, count: 1 + (event.folded ? event.folded - 1 : 0)};
    rows.push(made);
    if (key) last.set(key, made);
  }
  return rows.sort((a, b) => a.event.at - b.event.at);
}

// The day of what is not of today.
function day(time) {
  const date = new Date(time);
  return date.toDateString() === new Date().toDateString() ? "" : date.toLocaleDateString("en-GB", {day: "numeric", month: "short"}) + " ";
}

function wordsOf(event) {
  if (isPacket(event)) return event.packet;
  return `${event.from} ${endpoint(event.source, event.source_port)} > ${event.to} ${endpoint(event.destination, event.destination_port)} ${event.proto}`;
}

export function log(root, query) {
  let q = query.get("q") || "", paused = false, folding = query.get("fold") !== "0", flows = query.get("flows") === "1";
  let events = [], groups = parse(q), dirty = true, stop = null, ended = false, serial = 0, received = 0, lost = 0, oldest = null, journal = null, remark = "", until = query.get("until") || "", asked = null;
  const body = el("tbody"), sum = el("span.sum"), complaint = el("p.note", {role: "alert"}), older = el("div.pager");
  const pause = button("Pause", () => { paused = !paused; pause.textContent = paused ? "Go on" : "Pause"; pause.setAttribute("aria-pressed", String(paused)); dirty = true; });
  const toggle = (text, on, what) => { const one = el("button", {type: "button", "aria-pressed": String(on), onclick: () => { on = !on; one.setAttribute("aria-pressed", String(on)); what(on); }}, text); return one; };
  const bar = searchBar("Filter: 10.0.0.5, !port:53, reason:\"no rule\", packet~syn, … or …", q, text => { q = text; changed(); });
  const when = el("input", {type: "datetime-local", step: 1, value: until, onchange: () => { until = when.value; events = []; changed(); }});
  const now = button("Now", () => { when.value = until = ""; changed(); });
  const announcer = el("div.sr", {role: "status", "aria-live": "polite"});
  fill(root, el("div.head", el("h1", "Log"), sum, el("span.grow"),
    el("div.seg", {role: "group", "aria-label": "Shown"}, toggle("Connections too", flows, on => { flows = on; events = []; changed(); }), toggle("Fold alike lines", folding, on => { folding = on; keepPlace(); dirty = true; })), pause,
    button("Clear", () => { events = []; lost = 0; dirty = true; })),
  el("div.head", bar.box, el("label.field.at", el("span", "Before"), when), now), complaint, announcer,
  el("section.card.log", {"aria-label": "Events, the newest first"}, el("div.scroll", el("table.stack", el("caption.sr", "Events, the newest first"), el("thead", el("tr", ["Time", "What", "Reason", "Packet", "Rule", "Times"].map((text, i) => el(i === 5 ? "th.num" : "th", {scope: "col"}, text)))), body)), older));

  // Another filter or another time: what is live goes on, what the journal has is asked for anew.
  function changed() { groups = parse(q); now.hidden = !until; keepPlace(); dirty = true; findHosts(q).then(askAll); }

  // Names of hosts are addresses by now.
  function askAll(text) {
    if (ended) return;
    remark = text;
    begin();
    readOlder(true);
    dirty = true;
  }

  function keepPlace() { remember({q, until, flows: flows ? 1 : "", fold: folding ? "" : 0}); }

  function take(event) {
    event.at = Date.parse(event.time) || Date.now();
    event.serial = serial++;
    if (event.lost) lost += event.lost;
    events.push(event);
  }

  function took(texts) {
    if (paused && events.length >= KEPT) return;
    for (const text of texts) {
      if (!text) continue;
      received++;
      take(JSON.parse(text));
    }
    if (events.length > KEPT) events = events.slice(-KEPT);
    dirty = true;
  }

  // Follows; the daemon leaves out what it can, so that less comes.
  function begin() {
    stop?.();
    stop = null;
    complaint.textContent = remark;
    if (until) { sum.textContent = "of the journal"; return; }
    const {list} = parameters(q, false);
    stop = api.follow("/api/log" + api.query([...list, ...(flows ? [["flows", 1]] : [])]), {
      lines: took,
      away: text => { complaint.textContent = text; },
      back: which => { complaint.textContent = remark; if (which === "again") { take({event: "gap", time: new Date().toISOString(), gap: 1}); dirty = true; } },
      refused: text => {
        const error = JSON.parse(text).error || "refused";
        if (flows && error.includes("'flows'")) { flows = false; remark = "This daemon tells packets only."; begin(); } else complaint.textContent = error;
      },
    });
  }

  // The newest that the journal has before those that are here. Of several questions each gives a part; older than the end of one that has
  // more nothing is taken, so that none is left out between.
  async function history(whole) {
    const page = [["order", "desc"], ["limit", OLDER], ["kind", flows ? "all" : "packet"]];
    if (oldest) page.push(["before", oldest]);
    if (until) page.push(["until", new Date(until).toISOString()]);
    const parts = await Promise.all(questions(q, flows).map(list => api.lines("/api/journal/v1/history" + api.query([...list, ...page]))));
    const least = parts.filter(list => list.length === OLDER).reduce((most, list) => Math.max(most, Number(list.at(-1).cursor)), 0);
    const found = new Map(parts.flat().filter(one => Number(one.cursor) >= least).map(one => [one.cursor, one]));
    whole.end = !least;
    return [...found.values()].sort((a, b) => Number(b.cursor) - Number(a.cursor));
  }

  async function readOlder(first) {
    const mine = asked = {}, whole = {};
    if (first) { events = events.filter(one => !one.old); oldest = null; }
    try {
      const list = await history(whole);
      if (ended || mine !== asked) return;
      if (list.length) oldest = list.at(-1).cursor;
      for (const one of list) { one.at = Date.parse(one.time) || 0; one.serial = -serial++; one.old = true; }
      const known = new Set(events.map(one => one.time + wordsOf(one)));
      events = [...list.reverse().filter(one => !known.has(one.time + wordsOf(one))), ...events];
      journal = whole.end ? "end" : true;
    } catch (error) {
      if (mine !== asked) return;
      journal = false;
      if (error.status !== 502) complaint.textContent = error.message;
    }
    dirty = true;
  }

  function show(event) {
    const box = el("div", note("…"));
    const term = (name, value) => value === undefined || value === null ? null : el("span", button(String(value), () => { dialog.close(); q = withTerm(q, name, value); apply(); }, "link"), " ", button("not", () => { dialog.close(); q = withTerm(q, name, value, true); apply(); }, "quiet"));
    const dialog = panel(wordsOf(event), [pairs([["Time", event.time], ["Verdict", event.verdict ? verdict(event.verdict) : verdict(event.event)], ["Reason", term("reason", event.reason)], ["Ended because", event.why], ["Source", term("source", event.source)], ["Destination", term("destination", event.destination)],
      ["Port", term("port", event.destination_port)], ["Protocol", term("proto", event.proto)], ["From zone", term("from", event.from)], ["To zone", term("to", event.to)], ["Leaves as", event.nat ? JSON.stringify(event.nat) : null], ["Length", event.length],
      ["Carried", event.bytes ? `${bytes(event.bytes[0])} sent, ${bytes(event.bytes[1])} received in ${span(event.duration || 0)}` : null], ["Rule", event.rule ? el("a", {href: "#/rules?id=" + event.rule.id}, ruleName(event.rule)) : isPacket(event) ? "none: the default deny" : null], ["Text", event.rule?.text],
      ["Staged", event.staged ? el("a", {href: "#/rules?id=" + event.staged.id}, `would ${event.staged.action}: ${ruleName(event.staged)}`) : null]]), box],
    [button("Why?", () => { dialog.close(); go("why", {packet: wordsOf(event)}); }), button("Watch this host", () => { dialog.close(); q = `address:${event.source}`; apply(); }), button("Its connections", () => { dialog.close(); go("connections", {q: `address:${event.source}`}); })]);
    if (isPacket(event)) explain(event, box); else fill(box);
  }

  // Asked as the policy is now, which may be another than when it was decided.
  async function explain(event, box) {
    const extra = event.verdict === "deny" || event.verdict === "reject" ? remedy(event) : null;
    try { fill(box, el("h3", "Why, as things are now"), explanation(await api.post("/api/v1/explain", {packet: event.packet})), extra); } catch (error) { fill(box, note(error.message), extra); }
  }

  function apply() { bar.set(q); changed(); }

  function rowOf({event, count}) {
    if (event.lost) return el("tr.gap", el("td", {colspan: 6}, `${exact(event.lost)} events were lost here: more came than could be told`));
    if (event.event === "stop") return el("tr.gap", el("td", {colspan: 6}, `${day(event.at)}${clock(event.at)}: the firewall was taken away, and every connection ended`));
    if (event.gap) return el("tr.gap", el("td", {colspan: 6}, "the daemon was away here; the kernel filtered on, and what was dropped meanwhile is in the counters"));
    return el("tr.open", opens(() => show(event)), {"data-serial": event.serial}, el("td.mono", {title: event.time}, day(event.at), clock(event.at)), el("td", verdict(event.verdict || event.event)), el("td", event.reason || event.why || ""),
      el("td.words.wide", wordsOf(event), event.nat?.source || event.nat?.destination ? el("span.dim", ` as ${endpoint(event.nat.source || event.source, event.nat.source_port)} > ${endpoint(event.nat.destination || event.destination, event.nat.destination_port)}`) : null),
      el("td.spare", isPacket(event) || event.rule ? ruleName(event.rule) : ""), el("td.num", count > 1 ? el("span.folded", "× " + exact(count)) : ""));
  }

  let shownReceived = 0, shownAt = performance.now(), rate = 0;
  function draw() {
    const time = performance.now();
    if (!until && time - shownAt >= 1000) { rate = (received - shownReceived) * 1000 / (time - shownAt); shownReceived = received; shownAt = time; sum.textContent = `${exact(events.length)} kept · ${exact(rate)} a second${lost ? ` · ${exact(lost)} lost` : ""}${paused ? " · paused" : ""}`; }
    if (!dirty || (paused && body.children.length && !bar.input.matches(":focus"))) return;
    dirty = false;
    const fitting = events.filter(event => event.lost || event.gap || event.event === "stop" || matches(event, groups));
    const rows = (folding ? fold(fitting.slice(-2000)) : fitting.map(event => ({event, count: event.folded || 1}))).slice(-SHOWN).reverse();
    const focused = document.activeElement?.dataset?.serial;
    fill(body, rows.length ? rows.map(rowOf) : el("tr", el("td.empty", {colspan: 6}, events.length ? "Nothing that came fits the filter." : "Nothing yet. Rules with `log` are told, and every drop with `option log-drops on`.")));
    if (focused !== undefined) body.querySelector(`[data-serial="${Number(focused)}"]`)?.focus();
    fill(older, journal === true ? button("Older ones from the journal", () => readOlder(false)) : el("span.dim", journal === "end" ? "The journal has no older ones that fit." : journal === false ? "No journal runs: the log begins when this view was opened." : ""));
  }

  changed();
  const timer = setInterval(draw, DRAW);
  return {close() { ended = true; stop?.(); clearInterval(timer); bar.close(); }};
}
