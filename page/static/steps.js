// SPDX-License-Identifier: BSD-2-Clause
// An explanation of the daemon as a path that a person can read.
import {el, verdict, ruleName, button, copy, note} from "./ui.js";

const MARKS = {ok: "✓", drop: "✕", note: "i"};

function ruleOf(rule) {
  const where = rule.id !== undefined ? "id=" + rule.id : "line=" + rule.line;
  return el("span", el("a", {href: "#/rules?" + where}, ruleName(rule)), rule.text ? el("code", " " + rule.text) : null);
}

// The rules that nearly decided otherwise: of explain's `closest`.
function closest(list) {
  if (!list?.length) return null;
  return el("section", el("h3", "The closest rules"), el("ul", list.map(one => el("li", ruleOf(one),
    el("span.dim", " – " + (one.behind ? "it fits, but stands behind the rule that decided" : one.failed.map(each => each.why).join(", ")))))));
}

// `words`: the packet as it was asked for.
export function explanation(answer, words) {
  const dropped = ["deny", "reject"].includes(answer.verdict);
  return el("div", el("div.outcome", verdict(answer.verdict), el("span", answer.reason), el("span.dim", answer.reason_text)),
    words ? el("pre.words", words) : null,
    el("ol.steps", answer.steps.map(step => el("li.step-" + step.outcome, {"data-mark": MARKS[step.outcome] || "·"}, el("b", step.step, el("span.sr", step.outcome === "drop" ? " (dropped here)" : "")), el("p", step.text)))),
    answer.rule ? el("p", dropped ? "Decided by " : "Allowed by ", ruleOf(answer.rule)) : null,
    answer.staged ? el("p", `A staged rule would ${answer.staged.action} it: `, ruleOf(answer.staged)) : null,
    closest(answer.closest));
}

// --- the rule that would let a packet open a flow, and a test for it ---

function words(text) {
  const match = text.match(/^(\S+) (\S+) > (\S+) (\S+) (\S+)(.*)$/);
  if (!match) return null;
  const cut = what => { const at = what.match(/^\[?(.*?)\]?(?::(\d+))?$/); return what.includes("[") || (what.match(/:/g) || []).length === 1 ? [at[1], at[2]] : [what, undefined]; };
  const [source, sourcePort] = cut(match[2]), [destination, port] = cut(match[4]);
  return {from: match[1], source, sourcePort, to: match[3], destination, port, proto: match[5], rest: match[6].trim()};
}

export function ruleFor(event) {
  const to = ["unknown", "nowhere", "none"].includes(event.to) ? "any" : event.to, icmp = /^icmp/.test(event.proto);
  const type = String(event.packet || "").match(/type (\S+)/)?.[1];
  const what = icmp ? ` ${event.proto}${type ? " type " + type : ""}` : ` ${event.proto}${event.destination_port !== undefined ? " port " + event.destination_port : ""}`;
  return `allow from ${event.from} to ${to}${what} source ${event.source} destination ${event.destination}`;
}

export function testFor(event) {
  const parts = words(event.packet || "");
  const at = (address, port) => port === undefined ? address : (address.includes(":") ? `[${address}]` : address) + ":" + port;
  const packet = parts && !["unknown", "nowhere"].includes(parts.to) ? event.packet
    : `${event.from} ${at(event.source, event.source_port)} > ${event.to} ${at(event.destination, event.destination_port)} ${event.proto}${event.proto === "tcp" ? " syn" : ""}`;
  return `test "${event.proto}${event.destination_port !== undefined ? " " + event.destination_port : ""} from ${event.from} to ${event.to}" {\n  ${packet}  => allow\n}`;
}

export function remedy(event) {
  const text = ruleFor(event) + "\n\n" + testFor(event) + "\n";
  return el("section", el("h3", "The rule that would allow it, and a test"), el("pre.words", text), button("Copy", () => copy(text)),
    note("It stands for this packet alone: widen it with care, and put it before rules that deny. The Change view tries it."));
}
