// SPDX-License-Identifier: BSD-2-Clause
// Packets that two policies treat differently, as the daemon has proved it: each class with one packet of it, and the lines that decide.
import {el, button, verdict, exact, note} from "./ui.js";

const SHOWN = 50; // classes; the daemon tells up to a thousand

// How the packet leaves is told where that differs.
function outcome(one, translated) {
  return [verdict(one.verdict), translated && one.source ? el("span.mono", ` as ${one.source} → ${one.destination}`) : null];
}

// A line of the draft can be gone to; one of a file that it includes, or of the policy in force, is named.
function decided(sign, rule, goToLine) {
  if (!rule) return el("div." + (sign === "+" ? "plus" : "minus"), sign + " no rule: denied by default");
  const file = String(rule.file || ""), place = `${file.split("/").pop()}:${rule.line}`;
  const ours = sign === "+" && file.endsWith(".page");
  return el("div." + (sign === "+" ? "plus" : "minus"), sign + " ", ours ? button(`line ${rule.line}`, () => goToLine(rule.line), "link") : place, ": " + rule.text);
}

function classOf(one, goToLine) {
  const translated = one.differs.includes("translation");
  return el("div.diag", el("b", (one.perhaps ? "perhaps " : "") + one.differs), `: ${one.packets}${one.more ? "; and more" : ""}`,
    one.perhaps ? null : el("p", "Such as ", el("span.mono", one.witness), ": ", outcome(one.before, translated), " now, ", outcome(one.after, translated), " then"),
    el("div.diff", decided("-", one.before.rule, goToLine), decided("+", one.after.rule, goToLine)));
}

function settings(list) {
  if (!list.length) return null;
  return el("div.diff", {"aria-label": "Settings that differ"}, list.map(one => el("div." + (one.policy === "before" ? "minus" : "plus"), `${one.policy === "before" ? "-" : "+"} ${one.line}`)));
}

// `diff` is that of a dry run; a daemon that could not compare has none.
export function differences(diff, goToLine) {
  if (!diff) return null;
  const classes = diff.classes || [], rest = classes.length - SHOWN;
  return el("section", {"aria-label": "Packets that are treated differently"}, el("h3", "Packets that are treated differently"),
    classes.length ? classes.slice(0, SHOWN).map(one => classOf(one, goToLine)) : note(diff.complete ? "None: that is proved." : "None was found."),
    rest > 0 ? el("p", `… and ${exact(rest)} more kinds: \`keepstate diff\` lists them`) : null, !diff.complete && classes.length ? el("p", "… and perhaps more.") : null, settings(diff.settings || []));
}
