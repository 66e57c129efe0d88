// SPDX-License-Identifier: BSD-2-Clause
// Rules: the policy in force, line by line, and what each rule does just now.
import {el, fill, count, bytes, exact, note, panel, pairs, button, ruleName} from "./ui.js";
import * as api from "./api.js";
import {session} from "./api.js";
import {go} from "./app.js";

const PAUSE = 2000;

const where = rule => `${rule.file}:${rule.line}`;

// The rules stand in the order of the text, so each is looked for behind the one before.
function place(lines, list) {
  const at = new Map();
  let next = 0;
  for (const rule of list) {
    const found = lines.findIndex((line, i) => i >= next && line.trim().startsWith(rule.text));
    if (found < 0) continue;
    at.set(found, rule);
    next = found + 1;
  }
  return at;
}

export function rules(root, query) {
  let policy = null, at = new Map(), before = null, ended = false, timer = 0, warnings = new Map(), failing = new Set(), first = true;
  let wanted = query.get("id");
  const wantedLine = Number(query.get("line")), body = el("tbody"), sum = el("span.sum"), complaint = el("p.note", {role: "alert"}), trouble = el("div");
  fill(root, el("div.head", el("h1", "Rules"), sum, el("span.grow"), el("span.dim", "grey: never matched · !: hidden by another rule · ✕: its test fails · a rule opens its connections and its log")), complaint, trouble,
    el("section.card.rules", {"aria-label": "The policy in force"}, el("div.scroll", el("table", el("caption.sr", "The policy in force, with what each rule matched"), el("thead", el("tr", ["Line", "Policy", "Matches/s", "Matches", "Living", "Bytes"].map((text, i) => el((i > 1 ? "th.num" : "th") + (i > 3 ? ".spare" : ""), {scope: "col"}, text)))), body))));

  function show(rule) {
    const name = rule.label || (rule.line ? `${rule.file}:${rule.line}` : String(rule.id));
    const dialog = panel(ruleName(rule), [el("pre.words", rule.text), pairs([["Where", `${rule.file}:${rule.line}`], [rule.staged ? "Would have decided" : "Matches", exact(rule.matches)], ["Living connections", exact(rule.flows)], ["Packets", exact(rule.packets)], ["Bytes", bytes(rule.bytes)], ["Warning", warnings.get(where(rule))]])],
      [button("Its connections", () => { dialog.close(); go("connections", {q: `rule:"${name}"`}); }), button("Its log", () => { dialog.close(); go("log", {q: `rule:"${name}"`}); })]);
  }

  function cells(rule) {
    const old = before?.list.get(rule.id), rate = old ? Math.max(0, rule.matches - old.matches) / before.seconds : null;
    return [el("td.num", rate === null ? "…" : rate ? el("b", count(rate)) : el("span.dim", "0")), el("td.num", exact(rule.matches)), el("td.num.spare", exact(rule.flows)), el("td.num.spare", bytes(rule.bytes))];
  }

  function draw() {
    const lines = policy.text.replace(/\n$/, "").split("\n"), focused = document.activeElement?.dataset?.rule;
    fill(body, lines.map((line, i) => {
      const rule = at.get(i);
      const wrong = failing.has(line.match(/^test "(.*)" \{$/)?.[1]);
      if (!rule) return el("tr" + (wrong ? ".wrong" : ""), el("td.line", i + 1), el("td.text", line, wrong ? el("span.chip.bad", "✕ fails in the file as it is now") : null), el("td", {colspan: 4}));
      const hit = rule.matches > 0, warned = warnings.get(where(rule));
      return el("tr.rule" + (hit ? (rule.flows ? ".hot" : "") : ".never") + (warned ? ".shadowed" : ""), {title: `${where(rule)}${hit ? "" : ": never matched"}`}, el("td.line", i + 1),
        el("td.text", el("button.link.mono", {type: "button", "data-rule": rule.id, onclick: () => show(rule)}, line), rule.staged ? el("span.chip.info", "staged: decides nothing yet") : null, warned ? el("span.chip.warn", "! ", warned) : null), cells(rule));
    }));
    if (focused) body.querySelector(`[data-rule="${Number(focused)}"]`)?.focus();
    else if (wanted && first) { const one = body.querySelector(`[data-rule="${Number(wanted)}"]`); one?.scrollIntoView({block: "center"}); one?.focus({preventScroll: true}); }
    first = false;
  }

  // The file may be another one than what is in force: it is tried by who may act, who may see it. Nothing is changed by that.
  async function check() {
    if (!session.act) return;
    try {
      const source = await api.get("/api/policy/source"), answer = await api.post("/api/policy/try", {text: source.text}).catch(error => error.answer || {});
      failing = new Set([...String(answer.tests || "").matchAll(/: test "(.*?)": /g)].map(match => match[1]));
      if (answer.tests || answer.error) fill(trouble, el("div.diag", {role: "status"}, el("b", `${source.path} as it is now would be refused: ${answer.error || "its tests fail"}`), el("pre", answer.tests || (answer.diagnostics || []).map(one => `line ${one.line}: ${one.message}`).join("\n"))));
      else fill(trouble);
      if (policy) draw();
    } catch { /* the daemon was started with a relative path: then there is no file to try */ }
  }

  async function read() {
    try {
      const [now, counters] = await Promise.all([policy && at.size ? null : api.get("/api/v1/policy"), api.get("/api/v1/counters?part=rules")]);
      if (ended) return;
      if (now) { policy = now; warnings = new Map((now.warnings || []).map(one => [`${one.file}:${one.line}`, one.message])); }
      const time = performance.now(), list = new Map(counters.rules.map(rule => [rule.id, rule]));
      if (before) before.seconds = Math.max(.5, (time - before.time) / 1000);
      if (wantedLine) wanted = counters.rules.find(rule => rule.line === wantedLine)?.id;
      at = place(policy.text.split("\n"), counters.rules);
      complaint.textContent = "";
      const never = counters.rules.filter(rule => !rule.matches).length;
      sum.textContent = `${policy.policy} · generation ${policy.generation} · ${counters.rules.length} rules, ${never} never matched${policy.tests ? ` · ${policy.tests} test${policy.tests === 1 ? "" : "s"}, passed when it was loaded` : ""}`;
      draw();
      before = {list, time, seconds: PAUSE / 1000};
    } catch (error) { if (!ended) complaint.textContent = error.message; }
    if (!ended) timer = setTimeout(read, document.hidden ? 20000 : PAUSE);
  }

  let generation = null;
  read().then(check);
  return {
    sample(shared) { if (generation !== null && shared.state.generation !== generation) { policy = null; at = new Map(); check(); } generation = shared.state.generation; },
    close() { ended = true; clearTimeout(timer); },
  };
}
