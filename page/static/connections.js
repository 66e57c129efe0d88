// SPDX-License-Identifier: BSD-2-Clause
// Connections: filtered, sorted and cut where they are, in the daemon; here is only the page that is seen.
import {el, fill, toast, panel, pairs, button, bits, bytes, exact, span, endpoint, stateChip, verdict, ruleName, copy, note, opens} from "./ui.js";
import * as api from "./api.js";
import {session} from "./api.js";
import {parameters, withTerm} from "./filter.js";
import {go, remember} from "./app.js";
import {searchBar} from "./search.js";
import {hostName, findNames, findHosts, dnsButton} from "./names.js";

const ROWS = 100;
const UNSORTED = 2000;
const DEEPEST = 100000; // rows that an offset reaches; a cursor reaches all
const PAUSE = 2000; // ms between two readings
const GROUPS = [["", "Each"], ["host", "Host"], ["rule", "Rule"], ["zone", "Zones"], ["port", "Port"], ["protocol", "Protocol"]];
// name, the daemon's sort, its usual order, class
const COLUMNS = [["Proto", "proto", "asc"], ["State", "state", "asc"], ["Zones", "zone", "asc"], ["Source", "source", "asc"], ["Destination", "destination", "asc"],
  ["Rate ↑ ↓", "rate", "desc", "num"], ["Sent, received", "bytes", "desc", "num"], ["Age", "age", "desc", "num"], ["Left", "left", "asc", "num"], ["Rule", "rule", "asc"]];

// What the opener sent, and the other one; each has its place, so that the eye can go down.
function twoSides(sent, received) {
  return el("span.sides", el("span", sent), el("span.dim", received));
}

function rates(rate) {
  return rate ? twoSides(rate[0] ? bits(rate[0]) : "–", rate[1] ? bits(rate[1]) : "–") : el("span.dim", "…");
}

// "as 203.0.113.1:4000": how the other side sees this one.
function translation(flow) {
  const nat = flow.nat;
  if (!nat) return null;
  const parts = [];
  if (nat.source) parts.push("as " + endpoint(nat.source, nat.source_port));
  if (nat.destination) parts.push("by " + endpoint(nat.destination, nat.destination_port));
  return parts.join(", ");
}

// The packet that would go on with it, in the words of the test language.
export function packetOf(flow) {
  const words = [`${flow.from} ${endpoint(flow.source, flow.source_port)} > ${flow.to} ${endpoint(flow.destination, flow.destination_port)} ${flow.proto}`];
  if (flow.proto === "tcp") words.push("ack");
  if (flow.proto === "icmp" || flow.proto === "icmpv6") words.push("type echo-request id " + (flow.id ?? 1));
  return words.join(" ");
}

function openerOf(flow) {
  const base = `${flow.from} ${endpoint(flow.source, flow.source_port)} > ${flow.to} ${endpoint(flow.destination, flow.destination_port)} ${flow.proto}`;
  if (flow.proto === "tcp") return base + " syn";
  if (flow.proto === "icmp" || flow.proto === "icmpv6") return base + " type echo-request";
  return base;
}

export function makeTest(flow, verdict = "allow") {
  return `test "${flow.from} to ${flow.to}: ${flow.proto}${flow.destination_port !== undefined ? " " + flow.destination_port : ""}" {\n  ${openerOf(flow)}  => ${verdict}\n}\n`;
}

const beginOf = flow => new Date(Date.now() - (flow.age + 5) * 1000).toISOString().slice(0, 19) + "Z";

// What finds it in a listing. Ports, types and identifiers are compared by same().
function termsOf(flow) {
  const list = [["source", flow.source], ["destination", flow.destination], ["proto", flow.proto]];
  return flow.source_port !== undefined ? [...list, ["port", flow.source_port]] : list;
}

function same(one, flow) {
  return ["proto", "source", "destination", "source_port", "destination_port", "id", "type", "key", "call", "from"].every(name => one[name] === flow[name]);
}

// The flow with its details, undefined if it has ended.
async function detailsOf(flow) {
  const terms = flow.flow ? [["flow", flow.flow]] : termsOf(flow);
  const list = await api.lines("/api/v1/states" + api.query([...terms, ["details", 1], ["sort", "age"], ["order", "asc"], ["rates", 1], ["limit", ROWS]]));
  return list.slice(1).find(one => flow.flow ? one.flow === flow.flow : same(one, flow));
}

async function kill(flow, dialog, whenDone) {
  try {
    const answer = await api.remove("/api/v1/states" + api.query([["flow", flow.flow]]));
    toast(answer.killed ? "It is ended" : "It had ended already", answer.killed ? "good" : "info");
    dialog.close();
    whenDone();
  } catch (error) { toast(error.message, "bad"); }
}

// --- its events: what the journal has, and what comes while it is open ---

// A packet of it, of either direction and by any of its names; or a moment of its life.
function isOf(event, flow) {
  if (event.verdict === undefined) return event.id === flow.flow;
  const nat = flow.nat || {}, number = flow.source_port ?? flow.id;
  const ends = [[flow.source, number], [flow.destination, flow.destination_port], [nat.source, nat.source_port ?? nat.id ?? number], [nat.destination, nat.destination_port ?? flow.destination_port]];
  const isEnd = (address, port) => ends.some(([one, its]) => one === address && (port === undefined || its === undefined || its === port));
  return event.proto === flow.proto && isEnd(event.source, event.source_port) && isEnd(event.destination, event.destination_port);
}

function eventLine(one) {
  const what = one.verdict === undefined ? one.event + (one.why ? ": " + one.why : "") : `${one.verdict}: ${one.reason} (${one.packet})`;
  return el("li", el("span.mono.dim", one.time), " ", verdict(one.verdict || one.event), " ", el("span", what.replace(/^(\w+)(: |$)/, "")), one.folded > 1 ? el("span.folded", ` × ${exact(one.folded)}`) : null);
}

// The journal writes once a second, so it is asked again when it must have what came before we began to follow.
const JOURNAL_LATE = 2500;

function showEvents(flow, box) {
  const list = el("ul.events"), remark = note("…"), known = new Map();
  const take = one => {
    if (!isOf(one, flow)) return;
    known.set(one.time + (one.packet || one.event), one);
    fill(list, [...known.values()].sort((a, b) => a.time < b.time ? -1 : a.time > b.time ? 1 : 0).slice(-200).map(eventLine));
  };
  const nat = flow.nat || {}, ends = [flow.source, flow.destination, nat.source, nat.destination].filter(Boolean).join(",");
  const target = "/api/journal/v1/history" + api.query([["kind", "all"], ["source", ends], ["destination", ends], ["since", beginOf(flow)], ["order", "desc"], ["limit", "200"]]);
  const say = text => { remark.textContent = text; remark.hidden = !text; };
  const read = async () => {
    try {
      (await api.lines(target)).reverse().forEach(take);
      say(known.size ? "" : "The journal has none (yet); what comes is told here.");
    } catch (error) { say(error.status === 502 ? "No journal runs, so what happened before is not known; what comes is told here." : error.message); }
  };
  fill(box, list, remark);
  read();
  const timer = setTimeout(read, JOURNAL_LATE);
  const stop = api.follow("/api/log" + api.query([["flows", 1], ["address", flow.source], ["proto", flow.proto]]), {lines: texts => texts.filter(Boolean).forEach(text => take(JSON.parse(text)))});
  return () => { clearTimeout(timer); stop(); };
}

// --- a connection that is opened ---

// TCP's windows of one side: what it may send, and what it offers to be sent.
function windowOf(side) {
  if (!side) return [];
  const may = Math.max(0, (side.limit - side.next) | 0);
  return [["may send", !side.checked ? "not checked: its window is not known yet" : may > 1 ? `${exact(may)} bytes more` : "nothing more: the window is full"], ["largest window", `${exact(side.window)} bytes (scale ${side.scale}${side.sack ? ", SACK" : ""})`],
    ["next number", String(side.next)], ["acknowledged", String(side.ack)], side.fin ? ["FIN", side.fin_acked ? "sent, acknowledged" : "sent"] : null];
}

function sideOf(flow, at, title, from, to) {
  return el("div", el("h3", title), pairs([["from", el("span.mono", from)], ["to", el("span.mono", to)], ["packets", exact(flow.packets[at])], ["bytes", `${bytes(flow.bytes[at])} (${exact(flow.bytes[at])})`],
    ["now", flow.rate ? bits(flow.rate[at]) : "…"], ...windowOf(flow.windows?.[at])]));
}

function allowedBy(rule) {
  if (!rule) return "taken up";
  if (!rule.line) return `rule ${rule.id}, which is not in the policy any more`;
  return el("span", el("a", {href: `#/rules?id=${rule.id}`}, ruleName(rule)), ` (${rule.file}:${rule.line})`, rule.text ? el("pre.words", rule.text) : null);
}

function contentOf(flow) {
  const nat = flow.nat || {}, source = endpoint(flow.source, flow.source_port), destination = endpoint(flow.destination, flow.destination_port);
  return [el("div.outcome", stateChip(flow.state), el("span", `${flow.from} → ${flow.to}`), flow.assured ? el("span.chip.good", "assured") : null, flow.pickup ? el("span.chip.warn", "taken up midway") : null),
    el("div.two", sideOf(flow, 0, ["Sent by the opener", hostName(flow.source)], source, endpoint(nat.destination || flow.destination, nat.destination_port ?? flow.destination_port)),
      sideOf(flow, 1, ["Sent by the other", hostName(flow.destination)], destination, endpoint(nat.source || flow.source, nat.source_port ?? flow.source_port))),
    pairs([["Translation", translation(flow)], ["Age", span(flow.age)], ["Ends if silent for", span(flow.timeout)], ["Helper", flow.helper], ["Allowed by", allowedBy(flow.rule)]])];
}

function open(flow, whenDone) {
  const facts = el("div.facts"), remark = el("p.note", {role: "status", hidden: true}), events = el("div");
  const killing = session.act ? button("Kill it", () => kill(flow, dialog, whenDone), "danger") : null;
  let stop = null, timer = 0, drawn = "";
  const dialog = panel(`${flow.proto} ${endpoint(flow.source, flow.source_port)} → ${endpoint(flow.destination, flow.destination_port)}`,
    [remark, facts, el("section", el("h3", "Its events"), events)],
    [button("Why? (its next packet)", () => { dialog.close(); go("why", {packet: packetOf(flow)}); }),
      button("Make a test of it", () => panel("A test for the policy", [el("pre.words", makeTest(flow)), button("Copy", () => copy(makeTest(flow)))])),
      button("Watch this host", () => { dialog.close(); go("log", {q: `address:${flow.source}`, flows: 1}); }), killing].filter(Boolean));
  if (killing) killing.disabled = true; // until its number is known

  function draw(now) {
    if (!now) { remark.hidden = false; remark.textContent = "It has ended; this is how it was last."; if (killing) killing.disabled = true; clearInterval(timer); return; }
    flow = now;
    if (killing) killing.disabled = false;
    if (drawn !== JSON.stringify(now) && !facts.contains(document.activeElement)) { drawn = JSON.stringify(now); fill(facts, contentOf(now)); }
    stop ??= showEvents(now, events);
  }
  const look = () => detailsOf(flow).then(draw).catch(error => { remark.hidden = false; remark.textContent = error.message; });

  fill(facts, contentOf(flow));
  look();
  timer = setInterval(() => document.hidden || look(), PAUSE);
  dialog.addEventListener("close", () => { clearInterval(timer); stop?.(); });
}

function cells(flow) {
  const nat = translation(flow);
  return [el("td", flow.proto), el("td", stateChip(flow.state)), el("td.zones.spare", flow.from, " → ", flow.to),
    el("td.mono.wide", endpoint(flow.source, flow.source_port), el("span.under", hostName(flow.source), nat ? el("span.nat", " " + nat) : null)), el("td.mono.wide", endpoint(flow.destination, flow.destination_port), el("span.under", hostName(flow.destination))),
    el("td.num", rates(flow.rate)), el("td.num", twoSides(bytes(flow.bytes[0]), bytes(flow.bytes[1]))), el("td.num.spare", span(flow.age)), el("td.num.spare", span(flow.timeout)), el("td.spare", ruleName(flow.rule), flow.helper ? el("span.chip.info", {title: "a helper reads it"}, flow.helper) : null)];
}

function groupName(one, group) {
  switch (group) {
  case "host": return [one.host, ["address", one.host]];
  case "rule": return [ruleName(one.rule), one.rule ? ["rule", one.rule.label || (one.rule.line ? `${one.rule.file}:${one.rule.line}` : one.rule.id)] : null];
  case "zone": return [`${one.from} → ${one.to}`, ["zone", one.from]];
  case "port": return [one.port === null ? one.proto : `${one.proto} ${one.port}`, one.port === null ? ["proto", one.proto] : ["port", one.port]];
  default: return [one.proto, ["proto", one.proto]];
  }
}

export function connections(root, query, shared) {
  let q = query.get("q") || "", group = query.get("group") || "", sort = query.get("sort") || "rate", order = query.get("order") || "", offset = Number(query.get("offset")) || 0;
  let paused = false, ended = false, timer = 0, reading = null, took = 0, cursors = new Map();
  const sum = el("span.sum", {role: "status", "aria-live": "polite"}), body = el("tbody"), head = el("thead"), caption = el("caption.sr", "Connections"), pages = el("div.pager"), complaint = el("p.note", {role: "alert"});
  const pause = button("Pause", () => { paused = !paused; pause.textContent = paused ? "Go on" : "Pause"; pause.setAttribute("aria-pressed", String(paused)); if (!paused) read(); });
  const bar = searchBar("Filter: an address, a port, proto:tcp, !zone:lan, rule:web …", q, text => { q = text; offset = 0; changed(); });
  const groups = el("div.seg", {role: "group", "aria-label": "Grouped by"}, GROUPS.map(([value, text]) => el("button", {type: "button", "aria-pressed": String(value === group), onclick: event => {
    for (const one of groups.children) one.setAttribute("aria-pressed", String(one === event.currentTarget));
    group = value; offset = 0; if (group && !["rate", "bytes", "packets", "flows"].includes(sort)) { sort = "rate"; order = ""; }
    changed();
  }}, text)));
  fill(root, el("div.head", el("h1", "Connections"), sum, el("span.grow"), dnsButton(), pause), el("div.head", bar.box, groups), complaint,
    el("section.card", {"aria-label": "Connections"}, el("div.scroll", el("table.stack.flow", caption, head, body)), pages));

  function changed() { if (!offset) cursors.clear(); remember({q, group, sort: sort === "rate" ? "" : sort, order, offset: offset || ""}); drawHead(); fill(body, el("tr", el("td", {colspan: 10}, el("span.dim", "…")))); read(); }

  function sortBy(name, usual) {
    order = sort === name ? ((order || usual) === "asc" ? "desc" : "asc") : usual;
    sort = name; offset = 0;
    changed();
  }

  function drawHead() {
    const columns = group ? [[GROUPS.find(([value]) => value === group)[1]], ["Connections", "flows", "desc", "num"], ["Rate ↑ ↓", "rate", "desc", "num"], ["Sent, received", "bytes", "desc", "num"], ["Packets", "packets", "desc", "num"]] : COLUMNS;
    fill(head, el("tr", columns.map(([text, name, usual, kind]) => {
      const by = sort === name, direction = (order || usual) === "asc" ? "ascending" : "descending";
      return el("th" + (kind ? "." + kind : ""), {scope: "col", "aria-sort": by ? direction : null}, name ? el("button", {type: "button", onclick: () => sortBy(name, usual)}, text + (by ? (direction === "ascending" ? " ▲" : " ▼") : "")) : text);
    })));
  }

  function target() {
    const {list, rest} = parameters(q, true);
    complaint.textContent = rest ? "Connections can be filtered by address, source, destination, port, proto, zone, state, rule and host (not beside an address), with ! for not; several of one name are alternatives. The rest of the filter is not used here." : "";
    const view = [["sort", sort], ["limit", ROWS], cursors.has(offset) ? ["cursor", cursors.get(offset)] : ["offset", offset], ["rates", 1]];
    if (order) view.push(["order", order]);
    if (group) view.push(["group", group]);
    return "/api/v1/states" + api.query([...list, ...view]);
  }

  function groupRow(one) {
    const [name, term] = groupName(one, group);
    const into = () => { if (term) { q = withTerm(q, term[0], term[1]); group = ""; bar.set(q); for (const each of groups.children) each.setAttribute("aria-pressed", String(each === groups.firstChild)); changed(); } };
    return el("tr.open", opens(into), el("td.mono.wide", name, group === "host" ? hostName(one.host) : null), el("td.num", exact(one.flows)), el("td.num", rates(one.rate)),
      el("td.num", twoSides(bytes(one.bytes[0]), bytes(one.bytes[1]))), el("td.num", exact(one.packets[0] + one.packets[1])));
  }

  function flowRow(one) {
    return el("tr.open", opens(() => open(one, read)), cells(one));
  }

  function draw([first, ...rows]) {
    const focused = [...body.children].indexOf(document.activeElement);
    sum.textContent = `${exact(first.matches)}${first.matches !== first.states ? " of " + exact(first.states) : ""} connections${first.groups !== undefined ? ` in ${exact(first.groups)} groups` : ""}${first.rate ? ` · ${bits(first.rate[0])} ↑ ${bits(first.rate[1])} ↓` : ""} · ${took} ms`;
    fill(body, rows.length ? rows.map(group ? groupRow : flowRow) : el("tr", el("td.empty", {colspan: 10}, "No connection fits.")));
    if (focused >= 0) body.children[focused]?.focus();
    if (rows.length && group in {"": 1, host: 1}) findNames();
    const whole = group ? first.groups : first.matches, last = Math.min(whole, offset + ROWS);
    if (first.next) cursors.set(offset + ROWS, first.next);
    const step = (text, to, can) => el("button", {type: "button", disabled: !can, onclick: () => { offset = to; changed(); }}, text);
    fill(pages, step("← Earlier", Math.max(0, offset - ROWS), offset > 0), el("span.dim", whole ? `${exact(offset + 1)}–${exact(last)} of ${exact(whole)}` : "none"), step("Later →", offset + ROWS, last < whole && (cursors.has(offset + ROWS) || offset + 2 * ROWS <= DEEPEST)));
  }

  // A daemon that does not sort: what it lists first, sorted here.
  async function unsorted(signal) {
    const list = await api.someLines("/api/v1/states" + api.query(parameters(q, true).list), UNSORTED, signal), keys = {age: one => one.age, left: one => one.timeout, source: one => one.source, destination: one => one.destination, proto: one => one.proto, state: one => one.state};
    const key = keys[sort] || (one => one.bytes[0] + one.bytes[1]), up = (order || COLUMNS.find(one => one[1] === sort)?.[2]) === "asc" ? 1 : -1;
    list.sort((a, b) => (key(a) > key(b) ? 1 : key(a) < key(b) ? -1 : 0) * up);
    complaint.textContent = list.length === UNSORTED ? `This daemon cannot sort: these are of the first ${UNSORTED} that it lists. Filter for others.` : "";
    return [{states: shared.state?.table.flows ?? list.length, matches: list.length, rate: null}, ...list.slice(offset, offset + ROWS)];
  }

  async function ask(signal) {
    try { return await api.lines(target(), signal); } catch (error) {
      if (error.status !== 400 || group || !/'(sort|limit|offset|rates)'/.test(error.message)) throw error;
      return unsorted(signal);
    }
  }

  async function read() {
    clearTimeout(timer);
    reading?.abort();
    const mine = reading = new AbortController(), began = performance.now();
    try {
      const remark = await findHosts(q), list = await ask(mine.signal);
      if (remark && mine === reading) complaint.textContent = remark;
      took = Math.round(performance.now() - began);
      if (!ended && mine === reading) draw(list);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!ended) { complaint.textContent = error.message; if (error.status === 400) fill(body); }
    }
    if (!ended && !paused && mine === reading) timer = setTimeout(read, document.hidden ? 10 * PAUSE : Math.max(PAUSE, took * 5));
  }

  drawHead();
  read();
  return {close() { ended = true; clearTimeout(timer); reading?.abort(); bar.close(); }};
}
