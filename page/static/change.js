// SPDX-License-Identifier: BSD-2-Clause
// Change: another policy, tried, compared, and in force on trial: without a word it goes back by itself.
import {el, fill, toast, button, note, exact, endpoint, span, ruleName} from "./ui.js";
import * as api from "./api.js";
import {session} from "./api.js";
import {differences} from "./differences.js";

// The lines that differ, by the longest common subsequence of what is between equal ends.
function compare(old, now) {
  let start = 0, endOld = old.length, endNow = now.length;
  while (start < endOld && start < endNow && old[start] === now[start]) start++;
  while (endOld > start && endNow > start && old[endOld - 1] === now[endNow - 1]) { endOld--; endNow--; }
  const a = old.slice(start, endOld), b = now.slice(start, endNow);
  if (a.length * b.length > 4e6) return [...a.map(line => ["minus", line]), ...b.map(line => ["plus", line])];
  const table = Array.from({length: a.length + 1}, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) for (let j = b.length - 1; j >= 0; j--) table[i][j] = a[i] === b[j] ? table[i + 1][j + 1] + 1 : Math.max(table[i + 1][j], table[i][j + 1]);
  const list = old.slice(Math.max(0, start - 2), start).map(line => ["same", line]);
  for (let i = 0, j = 0; i < a.length || j < b.length;) {
    if (i < a.length && j < b.length && a[i] === b[j]) { list.push(["same", a[i]]); i++; j++; } else if (j >= b.length || (i < a.length && table[i + 1][j] >= table[i][j + 1])) list.push(["minus", a[i++]]);
    else list.push(["plus", b[j++]]);
  }
  return [...list, ...old.slice(endOld, endOld + 2).map(line => ["same", line])];
}

export function change(root) {
  if (!session.act) {
    fill(root, el("div.head", el("h1", "Change")), el("div.card", el("p.empty", session.again ? "This tab can only look, since it was not logged in itself: log out and log in again to change something."
      : session.may_act ? "To change the policy, log out and log in with the token for actions."
      : "This page can only look. Started with --allow-actions it has a second token, with which the policy can be changed here. In a terminal: keepstate reload --confirm 60s FILE")));
    return {};
  }
  let source = "", version = "", marks = new Map(), tried = null, applied = null;
  const area = el("textarea.code", {"aria-label": "The policy's text", spellcheck: "false", wrap: "off", oninput: () => { tried = null; apply.disabled = true; drawLines(); }, onscroll: () => { gutter.scrollTop = area.scrollTop; }});
  const gutter = el("pre", {"aria-hidden": "true"}), outcome = el("div", {"aria-live": "polite"}), path = el("span.sum"), trial = el("section.card", {hidden: true, "aria-label": "Trial"});
  const seconds = el("select", {"aria-label": "Time to confirm"}, [["30", "30 s"], ["60", "60 s"], ["120", "2 min"], ["600", "10 min"]].map(([value, text]) => el("option", {value, selected: value === "60"}, text)));
  const endDenied = el("input", {type: "checkbox", id: "end-denied"});
  const file = el("input", {type: "file", "aria-label": "Upload a policy", onchange: async () => { if (file.files[0]) { area.value = await file.files[0].text(); tried = null; apply.disabled = true; drawLines(); } }});
  const attemptButton = button("Try it", attempt);
  const apply = el("button.primary", {type: "button", disabled: true, onclick: put}, "Apply on trial");
  fill(root, el("div.head", el("h1", "Change"), path, el("span.grow"), button("Read the file again", load), file), trial,
    el("div.grid", el("section.card.s7", {"aria-label": "Editor"}, el("header", el("h2", "Policy"), attemptButton, apply, seconds), el("div.in", el("div.editor", gutter, area), el("p", endDenied, " ", el("label", {for: "end-denied"}, "End the living connections that it does not allow")))),
      el("section.card.s5", {"aria-label": "What it would do"}, el("header", el("h2", "What it would do")), el("div.in", outcome))));
  fill(outcome, note("Try it shows errors where they are, runs its tests, compares it with what is in force and lists the connections that it would not allow. Nothing is changed by that."));

  function drawLines() {
    const lines = area.value.split("\n").length;
    fill(gutter, Array.from({length: lines}, (_, i) => { const mark = marks.get(i + 1); return [mark ? el(mark === "warning" ? "b.warning" : "b", "● " + (i + 1)) : String(i + 1), "\n"]; }));
    gutter.scrollTop = area.scrollTop;
  }

  function goToLine(line) {
    const lines = area.value.split("\n"), at = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    area.focus();
    area.setSelectionRange(at, at + (lines[line - 1] || "").length);
    area.scrollTop = Math.max(0, (line - 8) * area.scrollHeight / lines.length);
  }

  async function attempt() {
    fill(outcome, note("…"));
    marks = new Map();
    try {
      const answer = await api.post("/api/policy/try", {text: area.value});
      tried = area.value;
      apply.disabled = false;
      draw(answer, true);
    } catch (error) { draw(error.answer || {error: error.message}, false); }
  }

  function diags(answer) {
    return (answer.diagnostics || []).map(one => {
      const ours = String(one.file).endsWith(".page");
      if (ours) marks.set(one.line, marks.get(one.line) === "error" ? "error" : one.severity);
      const where = `line ${one.line}${ours ? "" : " of " + one.file}`;
      return el("div.diag." + one.severity, ours ? button(where, () => goToLine(one.line), "link") : where, `: ${one.severity}: ${one.message}`, one.excerpt ? el("pre", one.excerpt) : null);
    });
  }

  function denied(answer) {
    if (!answer.states_denied && !answer.states_retargeted) return el("p", "No living connection would be refused.");
    const list = (answer.denied || []).slice(0, 50);
    return el("div", el("p", el("b", exact(answer.states_denied)), " living connections would not be allowed to open again", answer.states_retargeted ? `, ${exact(answer.states_retargeted)} would go to another destination and end` : "", "."),
      el("ul", list.map(one => el("li", el("span.mono", `${one.state.proto} ${endpoint(one.state.source, one.state.source_port)} → ${endpoint(one.state.destination, one.state.destination_port)}`), el("span.dim", ` ${one.why}`), one.by ? ` (${ruleName(one.by)})` : ""))));
  }

  function draw(answer, good) {
    const lines = compare(source.split("\n"), area.value.split("\n"));
    const found = diags(answer);
    drawLines();
    fill(outcome, good ? el("p", el("span.chip.good", "✓ it loads, and its tests pass"), ` ${answer.rules} rules`) : el("p", {role: "alert"}, el("span.chip.bad", "✕ refused"), " ", answer.error),
      found, answer.tests ? el("div.diag", el("b", "Tests"), el("pre", answer.tests)) : null, answer.login ? el("div.diag", answer.login) : null, good ? denied(answer) : null,
      good && answer.states_cut ? el("p", `${exact(answer.states_cut)} connections belong to zones that it does not have.`) : null,
      good && answer.now_guarded?.length ? el("p", "Now guarded: " + answer.now_guarded.join(", ")) : null, good && answer.no_longer_guarded?.length ? el("p", "No longer guarded: " + answer.no_longer_guarded.join(", ")) : null,
      good ? differences(answer.diff, goToLine) : null,
      el("h3", "Difference to the file in force"), lines.some(([kind]) => kind !== "same") ? el("div.diff", {tabindex: 0, role: "region", "aria-label": "Difference"}, lines.map(([kind, line]) => el("div." + kind, (kind === "plus" ? "+ " : kind === "minus" ? "- " : "  ") + line))) : note("none"));
  }

  async function put() {
    if (tried !== area.value) { toast("It was changed since it was tried", "bad"); return; }
    apply.disabled = true;
    try {
      await api.post("/api/policy/apply", {text: tried, version, confirm: Number(seconds.value), end_denied: endDenied.checked});
      applied = tried;
      toast("In force on trial: look if all works, then keep it", "good");
    } catch (error) { draw(error.answer || {error: error.message}, false); }
  }

  async function keep() {
    try {
      await api.post("/api/policy/keep");
      toast("The policy stays in force", "good");
      source = applied ?? source; applied = null;
      version = (await api.get("/api/policy/source")).version;
    } catch (error) { toast(error.message, "bad"); }
  }

  // Without the whole text of the file there is nothing to begin with: what is kept takes the file's place.
  async function load() {
    try {
      const answer = await api.get("/api/policy/source");
      source = area.value = answer.text;
      version = answer.version;
      tried = null; apply.disabled = true; marks = new Map();
      path.textContent = answer.path;
    } catch (error) {
      for (const one of [area, attemptButton, file]) one.disabled = true;
      fill(outcome, el("p", {role: "alert"}, el("span.chip.bad", "✕ not here"), " ", error.message));
    }
    drawLines();
  }

  load();
  let wasOn = false;
  return {
    sample(shared) {
      const on = shared.state.unconfirmed;
      trial.hidden = !on;
      if (on && !wasOn) fill(trial, el("div.in.head", el("span.countdown", {id: "countdown", role: "timer"}, span(on.seconds_left)), el("span", "until it goes back by itself, also if this page or the daemon dies."), el("span.grow"), button("Keep it", keep, "primary")));
      if (on) document.getElementById("countdown").textContent = span(on.seconds_left);
      if (wasOn && !on) toast("The trial is over: " + shared.state.policy_in_force + " is in force");
      wasOn = !!on;
    },
  };
}
