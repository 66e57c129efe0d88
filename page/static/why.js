// SPDX-License-Identifier: BSD-2-Clause
// Why?: how a packet would be decided, step by step.
import {el, fill, note} from "./ui.js";
import * as api from "./api.js";
import {remember} from "./app.js";
import {explanation, remedy} from "./steps.js";

const FLAGS = {S: "syn", "S.": "syn,ack", ".": "ack", "P.": "ack", F: "fin", "F.": "fin,ack", R: "rst", "R.": "rst,ack"};

function end(text) {
  const v6 = text.includes(":"), match = text.match(v6 ? /^([0-9a-f:]+)(?:\.(\d+))?$/i : /^(\d+\.\d+\.\d+\.\d+)(?:\.(\d+))?$/);
  if (!match) return null;
  return match[2] ? (v6 ? `[${match[1]}]:${match[2]}` : `${match[1]}:${match[2]}`) : match[1];
}

// A line of tcpdump, of `keepstate log`, of JSON, or the words themselves. Returns the words, or null.
export function readLine(line) {
  line = line.trim();
  if (line.startsWith("{")) { try { return JSON.parse(line).packet || null; } catch { return null; } }
  const dump = line.match(/\bIP6? (?:\([^)]*\) )?(\S+) > (\S+?): (.*)$/);
  if (dump) {
    const source = end(dump[1]), destination = end(dump[2]), rest = dump[3];
    if (!source || !destination) return null;
    const flags = rest.match(/^Flags \[([A-Z.]+)\]/);
    if (flags) return `${source} > ${destination} tcp ${(FLAGS[flags[1]] || "ack").split(",").join(" ")}`;
    if (/ICMP6?,? echo request/i.test(rest)) return `${source} > ${destination} ${/ICMP6/.test(rest) ? "icmpv6" : "icmp"} type echo-request`;
    if (/ICMP6?,? echo reply/i.test(rest)) return `${source} > ${destination} ${/ICMP6/.test(rest) ? "icmpv6" : "icmp"} type echo-reply`;
    return `${source} > ${destination} udp`;
  }
  const own = line.match(/((?:[\w-]+ )?\[?[0-9a-f.:]+\]?(?::\d+)? > (?:[\w-]+ )?\[?[0-9a-f.:]+\]?(?::\d+)? .*)$/i);
  return own ? own[1].replace(/\s+(=>|rule|deny|allow|reject)\b.*$/, "") : null;
}

function words(form) {
  const value = name => form.elements[name].value.trim();
  const at = (zone, address, port) => [zone, port && address.includes(":") ? `[${address}]:${port}` : port ? `${address}:${port}` : address].filter(Boolean).join(" ");
  const proto = value("proto"), ports = ["tcp", "udp", "sctp", "dccp"].includes(proto);
  const more = proto === "tcp" ? " " + value("flags") : proto.startsWith("icmp") ? " type echo-request" : "";
  return `${at(value("from"), value("source"), ports ? value("sport") : "")} > ${at(value("to"), value("destination"), ports ? value("dport") : "")} ${proto}${more}`;
}

export function why(root, query) {
  const outcome = el("section.card", {"aria-label": "The answer", "aria-live": "polite", hidden: true});
  const packet = el("input.mono", {id: "packet", value: query.get("packet") || "", placeholder: "lan 10.0.0.5:40000 > wan 192.0.2.1:443 tcp syn", spellcheck: "false", style: {flex: "1 1 24rem"}});
  const field = (name, text, attributes, tag = "input", ...children) => el("label.field", el("span", text), el(tag, {name, spellcheck: "false", autocomplete: "off", ...attributes}, children));
  const option = text => el("option", {value: text}, text || "syn");
  const form = el("form", {onsubmit: event => { event.preventDefault(); packet.value = words(form); ask(); }}, el("div.fields",
    field("source", "From address", {placeholder: "10.0.0.5", required: true}), field("sport", "From port", {value: "40000", inputmode: "numeric"}), field("destination", "To address", {placeholder: "192.0.2.1", required: true}), field("dport", "To port", {value: "443", inputmode: "numeric"}),
    field("proto", "Protocol", {}, "select", ["tcp", "udp", "icmp", "icmpv6", "sctp", "dccp", "gre", "esp"].map(option)), field("flags", "TCP flags", {}, "select", ["syn", "ack", "syn ack", "fin ack", "rst"].map(option)),
    field("from", "Zone it comes from (else by routes)", {placeholder: "by routes"}), field("to", "Zone it goes to (else by routes)", {placeholder: "by routes"})),
  el("p", el("button.primary", {type: "submit"}, "Ask")));
  const paste = el("textarea.code", {rows: 3, "aria-label": "A line of the log or of tcpdump", placeholder: "12:00:01.123 IP 10.0.0.5.40000 > 192.0.2.1.443: Flags [S], seq 1, win 64240, length 0", oninput: () => {
    const found = paste.value.trim() && readLine(paste.value.split("\n").find(Boolean) || "");
    pasted.textContent = paste.value.trim() && !found ? "This is no line that can be read: one of tcpdump -n, of keepstate log, or JSON of the log." : "";
    if (found) { packet.value = found; ask(); }
  }});
  const pasted = el("p.note", {role: "status"});
  fill(root, el("div.head", el("h1", "Why?"), el("span.sum", "Judged by the policy in force, with the routes and connections as they are now. Nothing is sent or changed.")),
    el("div.grid", el("section.card.s7", el("header", el("h2", "A packet")), el("div.in", form, el("form", {onsubmit: event => { event.preventDefault(); ask(); }}, el("label.field", {for: "packet"}, "or in the words of the policy's tests"), el("div.head", packet, el("button", {type: "submit"}, "Ask"))))),
      el("section.card.s5", el("header", el("h2", "A line that you have")), el("div.in", paste, pasted))), outcome);

  async function ask() {
    remember({packet: packet.value});
    outcome.hidden = false;
    fill(outcome, el("div.in", note("…")));
    try {
      const answer = await api.post("/api/v1/explain", {packet: packet.value}), dropped = ["deny", "reject"].includes(answer.verdict);
      fill(outcome, el("div.in", explanation(answer), dropped && ["no rule", "no state", "rule"].includes(answer.reason) ? remedyOf(answer) : null));
    } catch (error) { fill(outcome, el("div.in", el("pre.words", {role: "alert"}, error.message))); }
  }

  function remedyOf(answer) {
    const zones = answer.steps.find(step => step.step === "zones"), one = answer.packet;
    if (!zones || !one.source) return null;
    return remedy({...one, from: zones.from, to: zones.to, packet: packet.value.startsWith(zones.from + " ") ? packet.value : ""});
  }

  if (packet.value) ask();
  return {};
}
