// SPDX-License-Identifier: BSD-2-Clause
// Overview: what passes and what is dropped, by the second; zone pairs; how full everything is.
import {el, fill, count, bytes, bits, exact, span, pairs} from "./ui.js";
import * as api from "./api.js";
import {plot, spark} from "./plot.js";
import {go} from "./app.js";

const COLOURS = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--c0", "--c7"];
const SPANS = [["15m", "15 min"], ["24h", "Day"], ["28d", "Weeks"]];
const JOURNAL_SPANS = {"24h": [60, 86400], "28d": [3600, 28 * 86400]};

function tile(label) {
  const value = el("div.value", "–"), under = el("div.under"), line = el("div");
  return {box: el("div.card.tile.s3", el("div.label", label), value, under, line), value, under, line};
}

function segments(label, choices, chosen, choose) {
  return el("div.seg", {role: "group", "aria-label": label}, choices.map(([value, text]) =>
    el("button", {type: "button", "aria-pressed": String(value === chosen), onclick: event => {
      for (const one of event.currentTarget.parentNode.children) one.setAttribute("aria-pressed", String(one === event.currentTarget));
      choose(value);
    }}, text)));
}

// A point of the journal in the form of ours.
function fromJournal(one) {
  const per = value => (value || 0) / one.span;
  const reasons = Object.fromEntries(Object.entries(one.reasons || {}).map(([name, packets]) => [name, per(packets)]));
  return {t: one.time, pp: per(one.passed?.[0]), pb: per(one.passed?.[1]), dp: per(one.dropped?.[0]), db: per(one.dropped?.[1]), nf: per(one.created), fl: one.flows, ho: one.half_open, r: reasons};
}

async function pointsOf(name) {
  const wanted = JOURNAL_SPANS[name];
  if (wanted) {
    try {
      const since = Math.floor(Date.now() / 1000) - wanted[1];
      const list = await api.lines(`/api/journal/v1/figures?span=${wanted[0]}&since=${since}`);
      if (list.length) return {step: wanted[0], samples: list.map(fromJournal), journal: true};
    } catch { /* no journal: what the page remembers itself */ }
  }
  return {...await api.get("/api/history?span=" + name), journal: false};
}

export function overview(root, query, shared) {
  const tiles = {passed: tile("Passed"), dropped: tile("Dropped"), fresh: tile("New connections"), flows: tile("Connections")};
  const traffic = plot("Traffic passed and dropped", false), drops = plot("Drops a second by reason", true);
  const legend = el("div.legend"), matrix = el("div.in"), budgets = el("div.in"), facts = el("div.in"), source = el("span.sum");
  let chosen = "15m", unit = "bits", long = null, ended = false, pairsNow = null, zones = new Map(), zonesAt = 0;
  const zoneRates = new Map();

  fill(root, el("h1.sr", "Overview"),
    el("div.grid", Object.values(tiles).map(one => one.box)),
    el("div.grid",
      el("section.card.s7", {"aria-label": "Traffic"}, el("header", el("h2", "Traffic"), source,
        segments("Unit", [["bits", "bits"], ["packets", "packets"]], unit, value => { unit = value; draw(); }),
        segments("Span", SPANS, chosen, choose)), traffic.box, el("div.legend", el("span", el("span", {style: {color: "var(--c0)"}}, "■ "), "passed"), el("span", el("span", {style: {color: "var(--c1)"}}, "■ "), "dropped"))),
      el("section.card.s5", {"aria-label": "Drops"}, el("header", el("h2", "Dropped, by reason")), drops.box, legend)),
    el("div.grid",
      el("section.card.s7", {"aria-label": "Zones"}, el("header", el("h2", "From zone to zone"), el("span.sum", "living connections; a click lists them")), matrix),
      el("section.card.s5", {"aria-label": "Budgets"}, el("header", el("h2", "Table and budgets")), budgets)),
    el("section.card", {"aria-label": "Firewall"}, el("header", el("h2", "The firewall")), facts));

  async function choose(name) {
    chosen = name;
    long = name === "15m" ? null : await pointsOf(name).catch(() => null);
    source.textContent = long && !long.journal ? "without a journal: since the page began" : "";
    draw();
  }

  function points() { return long ? long.samples : shared.points; }

  function draw() {
    const step = long?.step || 1;
    let list = points();
    if (list.length === 1) list = [{...list[0], t: list[0].t - step}, ...list]; // one point is no line
    const times = list.map(one => one.t * 1000);
    const text = unit === "bits" ? value => bits(value) : value => count(value) + "/s";
    const key = unit === "bits" ? ["pb", "db"] : ["pp", "dp"];
    traffic.draw({step, times, unit: text, series: [{name: "passed", colour: "--c0", values: list.map(one => one[key[0]])}, {name: "dropped", colour: "--c1", values: list.map(one => one[key[1]])}]});
    drawDrops(list, times, step);
  }

  function drawDrops(list, times, step) {
    const totals = new Map();
    for (const one of list) for (const [name, value] of Object.entries(one.r)) totals.set(name, (totals.get(name) || 0) + value);
    const names = [...totals.entries()].sort((a, b) => b[1] - a[1]).map(([name]) => name), shown = names.slice(0, 7), others = names.slice(7);
    const series = shown.map((name, i) => ({name, colour: COLOURS[i], values: list.map(one => one.r[name] || 0)}));
    if (others.length) series.push({name: "others", colour: "--c7", values: list.map(one => others.reduce((sum, name) => sum + (one.r[name] || 0), 0))});
    drops.draw({step, times, unit: value => count(value) + "/s", series});
    fill(legend, series.length ? series.map(one => el("button", {type: "button", title: "Show in the log", onclick: () => one.name !== "others" && go("log", {q: `reason:"${one.name}"`})},
      el("i", {style: {"--k": `var(${one.colour})`}}), one.name, el("b", count(totals.get(one.name) * step || 0)))) : el("span.dim", "Nothing was dropped in this time."));
  }

  function drawTiles() {
    const point = shared.point, table = shared.state.table, last = shared.points.slice(-120);
    const set = (one, value, small, under, key, colour) => {
      fill(one.value, value, el("small", small));
      one.under.textContent = under;
      fill(one.line, spark(last.map(key), colour));
    };
    if (!point) return;
    set(tiles.passed, bits(point.pb).replace(/ (.*)/, ""), bits(point.pb).replace(/.* /, ""), `${count(point.pp)} packets/s`, one => one.pb, "--c0");
    set(tiles.dropped, count(point.dp), "packets/s", topReason(point), one => one.dp, "--c1");
    set(tiles.fresh, count(point.nf), "/s", `${exact(table.half_open)} half-open`, one => one.nf, "--c3");
    set(tiles.flows, exact(table.flows), "", `of ${exact(table.limit)} (${(table.flows * 100 / table.limit).toFixed(1)}%)`, one => one.fl, "--c4");
  }

  function topReason(point) {
    const [name, value] = Object.entries(point.r).sort((a, b) => b[1] - a[1])[0] || [];
    return name ? `mostly ${name}, ${count(value)}/s` : "nothing now";
  }

  function drawBudgets() {
    const table = shared.state.table, rows = [["states", table.flows, table.limit], ["half-open", table.half_open, table.half_open_limit]];
    for (const [name, one] of Object.entries(table.records || {})) if (typeof one === "object") rows.push([name, one.count, one.limit]);
    const used = rows.filter(([, value], i) => i < 2 || value), idle = rows.filter(([, value], i) => i >= 2 && !value).map(([name]) => name);
    fill(budgets, el("div.budgets", used.map(([name, value, limit]) => {
      const part = limit ? value / limit : 0;
      return [el("span", name), el("div.bar." + (part > .9 ? "bad" : part > .7 ? "warn" : "good"), {role: "meter", "aria-label": name, "aria-valuemin": 0, "aria-valuemax": limit, "aria-valuenow": value},
        el("i", {style: {"--w": Math.min(100, part * 100) + "%"}}), el("b", {style: {"--at": "75%"}, title: "three quarters"})), el("span.num", `${exact(value)} / ${count(limit)}`)];
    })), idle.length ? el("p.note", `None of: ${idle.join(", ")}.`) : null);
  }

  function drawFacts() {
    const state = shared.state, now = state.now;
    fill(facts, pairs([["Policy", el("a", {href: "#/rules"}, state.policy_in_force)], ["Generation", String(state.generation)], ["In force for", state.since ? span(now - state.since) : "not yet"],
      ["Daemon", `${state.version}, running for ${span(now - state.started)}`], ["Opened, expired, recycled", `${exact(state.table.created)}, ${exact(state.table.expired)}, ${exact(state.table.recycled)}`],
      ["Events lost", exact(state.events_lost)]]));
  }

  // What was dropped between two zones since the sample before; the counters of pairs are in every sample.
  function noteZones(state) {
    const now = new Map((state.zones || []).map(one => [one.from + ">" + one.to, one])), seconds = zonesAt ? (state.now - zonesAt) || 1 : 0;
    if (seconds) for (const [name, one] of now) {
      const old = zones.get(name) || {passed: {packets: 0, bytes: 0}, dropped: {packets: 0, bytes: 0}};
      zoneRates.set(name, {passed: Math.max(0, one.passed.bytes - old.passed.bytes) / seconds, dropped: Math.max(0, one.dropped.packets - old.dropped.packets) / seconds});
    }
    zones = now;
    zonesAt = state.now;
  }

  function drawMatrix() {
    const living = new Map((pairsNow || []).map(one => [one.from + ">" + one.to, one])), all = [...new Set([...living.keys(), ...zones.keys()])].map(name => name.split(">"));
    const last = name => ["self", "none", "unknown"].indexOf(name), names = [...new Set(all.flat())].sort((a, b) => last(a) - last(b) || a.localeCompare(b)), most = Math.max(1, ...[...living.values()].map(one => one.flows));
    const cell = (from, to) => {
      const name = from + ">" + to, one = living.get(name), rates = zoneRates.get(name);
      if (!one && !zones.has(name)) return el("td.none", {"aria-label": `${from} to ${to}: nothing`}, "·");
      const flows = one?.flows || 0, rate = rates ? rates.passed : one?.rate ? one.rate[0] + one.rate[1] : 0, dropped = rates?.dropped || 0;
      return el("td", el("button", {type: "button", style: {"--heat": (flows ? 8 + Math.round(Math.log(1 + flows) / Math.log(1 + most) * 34) : 0) + "%"},
        onclick: () => flows ? go("connections", {q: `from:${from} to:${to}`}) : go("log", {q: `from:${from} to:${to}`})},
      el("span.sr", `${from} to ${to}: `), el("b", count(flows)), el("span.sr", " connections, "), el("small", bits(rate)), dropped ? el("small.drops", `✕ ${count(dropped)}/s`, el("span.sr", " dropped")) : null));
    };
    if (!names.length) { fill(matrix, el("p.empty", "No connection lives.")); return; }
    fill(matrix, el("div.scroll", el("table.matrix", el("caption.sr", "Living connections from zone to zone"), el("thead", el("tr", el("th", {scope: "col"}, "from ╲ to"), names.map(name => el("th", {scope: "col"}, name)))),
      el("tbody", names.map(from => el("tr", el("th", {scope: "row"}, from), names.map(to => cell(from, to))))))));
  }

  async function readMatrix() {
    if (ended) return;
    const began = performance.now();
    try {
      pairsNow = (await api.lines("/api/v1/states?group=zone&sort=flows&limit=400&rates=1")).slice(1);
      drawMatrix();
    } catch (error) { if (!zones.size) fill(matrix, el("p.note", error.status === 400 ? "This daemon does not count by zones." : error.message)); }
    if (!ended) setTimeout(readMatrix, document.hidden ? 10000 : Math.max(3000, (performance.now() - began) * 10));
  }

  readMatrix();
  draw();
  const again = setInterval(async () => { if (chosen !== "15m" && !document.hidden) { long = await pointsOf(chosen).catch(() => long); draw(); } }, 30000);
  return {
    sample() { noteZones(shared.state); drawMatrix(); drawTiles(); drawBudgets(); drawFacts(); if (!long) draw(); },
    close() { ended = true; clearInterval(again); traffic.destroy(); drops.destroy(); },
  };
}
