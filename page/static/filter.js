// SPDX-License-Identifier: BSD-2-Clause
// The language of the filter fields:  proto:tcp  !port:22  packet~syn  or  10.0.0.5   (: is, ~ contains, ! not; a space is "and")

const NAMES = ["address", "source", "destination", "port", "proto", "zone", "from", "to", "state", "rule", "verdict", "reason", "event", "label", "packet", "why", "host"];
const PROTOCOLS = ["tcp", "udp", "icmp", "icmpv6", "sctp", "dccp", "gre", "esp", "ah", "igmp"];

// Cuts at spaces outside of quotes.
function words(text) {
  return [...text.matchAll(/(?:[^\s"]|"[^"]*")+/g)].map(match => match[0]);
}

function bare(word) {
  if (/^\d{1,5}(-\d{1,5})?$/.test(word)) return "port";
  if (/^[\d.]+(\/\d+)?$/.test(word) || (word.includes(":") && /^[0-9a-f:.]+(\/\d+)?$/i.test(word))) return "address";
  if (PROTOCOLS.includes(word.toLowerCase())) return "proto";
  if (/^[A-Z][A-Z_]+$/.test(word)) return "state";
  return null;
}

function term(word) {
  const not = word.startsWith("!");
  if (not) word = word.slice(1);
  const match = word.match(/^([a-z]+)([:~])(.*)$/i);
  if (match && NAMES.includes(match[1].toLowerCase()) && match[3])
    return {not, name: match[1].toLowerCase(), op: match[2], value: match[3].replaceAll('"', "")};
  const plain = word.replaceAll('"', "");
  const name = bare(plain);
  return name ? {not, name, op: ":", value: plain} : {not, name: "packet", op: "~", value: plain};
}

// Returns a list (or) of lists (and) of terms.
export function parse(text) {
  const groups = [[]];
  for (const word of words(text)) {
    if (word.toLowerCase() === "or") groups.push([]);
    else if (word.toLowerCase() !== "and") groups.at(-1).push(term(word));
  }
  return groups.filter(group => group.length);
}

export function format(one) {
  const value = /\s/.test(one.value) ? `"${one.value}"` : one.value;
  return (one.not ? "!" : "") + one.name + one.op + value;
}

export function withTerm(text, name, value, not = false) {
  const word = format({not, name, op: ":", value: String(value)});
  return words(text).includes(word) ? text : (text.trim() + " " + word).trim();
}

// Addresses by the words that ask for a host by its name (names.js fills it): the daemon knows addresses alone.
export const hosts = new Map();
const NOBODY = "100::"; // discard-only (RFC 6666): no flow and no packet has it
export const hostKey = one => one.op + one.value.toLowerCase();
export const hostTerms = text => parse(text).flat().filter(one => one.name === "host");

// Addresses beside those that are asked for themselves would be alternatives to them, so then the name is left to be judged here.
function hostParameters(one, group) {
  const found = hosts.get(hostKey(one)) || [];
  if (one.not) return found.map(address => ["address", "not " + address]);
  if (group.some(other => other.name === "address" && !other.not)) return [];
  return found.length ? found.map(address => ["address", address]) : [["address", NOBODY]];
}

// What the daemon can filter itself, as parameters; null if the text has "or" or something that only we can do.
const FLOWS = ["address", "source", "destination", "port", "proto", "zone", "from", "to", "state", "rule"];
const EVENTS = ["address", "source", "destination", "port", "proto", "zone", "from", "to", "verdict", "reason", "rule", "state", "why"];
const isKnown = (one, known) => one.op === ":" && known.includes(one.name) && !(one.name === "rule" && one.value === "default");

// Questions to the journal, one for each part between "or". What it cannot judge itself is judged here, of what comes.
export function questions(text, flows) {
  return (groups => groups.length ? groups : [[]])(parse(text)).map(group => group.flatMap(one => {
    if (one.name === "host") return hostParameters(one, group);
    if (isKnown(one, EVENTS)) return [[one.name, one.not ? "not " + one.value : one.value]];
    return one.op === "~" && one.name === "packet" && !one.not && !flows ? [["text", one.value]] : [];
  }));
}

export function parameters(text, flows) {
  const groups = parse(text), known = flows ? FLOWS : EVENTS;
  if (groups.length > 1) return {list: [], rest: true};
  const list = [];
  let rest = false;
  for (const one of groups[0] || []) {
    const host = one.name === "host" ? hostParameters(one, groups[0]) : [];
    if (isKnown(one, known)) list.push([one.name, one.not ? "not " + one.value : one.value]);
    else if (host.length || (one.name === "host" && one.not)) list.push(...host);
    else rest = true;
  }
  return {list, rest};
}

// --- the same, done here ---

function number(address) {
  if (!address.includes(":")) return address.split(".").reduce((sum, part) => sum * 256n + BigInt(part || 0), 0n);
  const [head, tail = ""] = address.split("::");
  const left = head ? head.split(":") : [], right = tail ? tail.split(":") : [];
  const parts = address.includes("::") ? [...left, ...Array(Math.max(0, 8 - left.length - right.length)).fill("0"), ...right] : left;
  return parts.reduce((sum, part) => sum * 65536n + BigInt("0x" + (part || "0")), 0n);
}

function inside(address, prefix) {
  const [base, length] = prefix.split("/");
  if (!address || address.includes(":") !== base.includes(":")) return false;
  if (length === undefined) return address === base;
  const bits = BigInt((base.includes(":") ? 128 : 32) - Number(length));
  try { return number(address) >> bits === number(base) >> bits; } catch { return false; }
}

function portFits(port, wanted) {
  const [low, high] = String(wanted).split("-").map(Number);
  return port >= low && port <= (high || low);
}

function addresses(event, which) {
  const nat = event.nat || {};
  const own = {source: [event.source, nat.source], destination: [event.destination, nat.destination]};
  return (which === "address" ? [...own.source, ...own.destination] : own[which]).filter(Boolean);
}

function values(event, name) {
  const nat = event.nat || {};
  switch (name) {
  case "port": return [event.source_port, event.destination_port, nat.source_port, nat.destination_port].filter(one => one !== undefined);
  case "zone": return [event.from, event.to];
  case "rule": return event.rule ? [String(event.rule.id), event.rule.label, `${event.rule.file}:${event.rule.line}`, `${String(event.rule.file).split("/").pop()}:${event.rule.line}`] : ["default"];
  case "label": return [event.rule?.label];
  case "packet": return [event.packet, event.rule?.label, event.rule?.text, event.reason, JSON.stringify(event)];
  default: return [event[name]];
  }
}

function isOne(event, one) {
  if (one.name === "host") return addresses(event, "address").some(value => (hosts.get(hostKey(one)) || []).includes(value));
  if (["address", "source", "destination"].includes(one.name)) {
    const list = addresses(event, one.name);
    return one.op === "~" ? list.some(value => value.includes(one.value)) : list.some(value => inside(value, one.value));
  }
  const list = values(event, one.name).filter(value => value !== undefined && value !== null);
  if (one.op === "~") return list.some(value => String(value).toLowerCase().includes(one.value.toLowerCase()));
  if (one.name === "port") return list.some(value => portFits(value, one.value));
  return list.some(value => String(value).toLowerCase() === one.value.toLowerCase());
}

// Like the daemon: of several values of one name one must hold, and none of those with "not".
function groupFits(event, group) {
  const wanted = new Map();
  for (const one of group) {
    const holds = isOne(event, one);
    if (one.not) { if (holds) return false; continue; }
    wanted.set(one.name + one.op, wanted.get(one.name + one.op) || holds);
  }
  return [...wanted.values()].every(Boolean);
}

export function matches(event, groups) {
  return !groups.length || groups.some(group => groupFits(event, group));
}
