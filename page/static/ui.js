// SPDX-License-Identifier: BSD-2-Clause
// Small helpers of all views. Text of the network reaches the document as text nodes only: nothing here takes HTML.

// Makes an element: el("td.num", {title: "..."}, "text", child). "on..." properties are listeners.
export function el(what, ...rest) {
  const [tag, ...classes] = what.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(" ");
  for (const part of rest) add(node, part);
  return node;
}

function add(node, part) {
  if (part === null || part === undefined || part === false) return;
  if (Array.isArray(part)) part.forEach(one => add(node, one));
  else if (part instanceof Node) node.append(part);
  else if (typeof part === "object") set(node, part);
  else node.append(String(part));
}

function set(node, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, one] of Object.entries(value)) node.style.setProperty(key, one);
    else if (["value", "checked", "disabled", "selected", "hidden", "open"].includes(name)) node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
}

export function fill(node, ...children) {
  node.replaceChildren();
  add(node, children);
  return node;
}

const SVG = "http://www.w3.org/2000/svg";
export function svg(tag, properties, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(properties || {})) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// --- numbers for people ---

const UNITS = ["", "k", "M", "G", "T", "P"];
function scaled(value, unit, space) {
  let at = 0;
  while (Math.abs(value) >= 999.5 && at < UNITS.length - 1) { value /= 1000; at++; }
  const text = at === 0 ? (value < 10 && value % 1 ? value.toFixed(1) : Math.round(value).toString())
    : value < 9.95 ? value.toFixed(2) : value < 99.5 ? value.toFixed(1) : Math.round(value).toString();
  return text + (space ? " " : "") + UNITS[at] + unit;
}
export const count = value => scaled(value || 0, "", false);
export const bytes = value => scaled(value || 0, "B", true);
export const bits = value => scaled((value || 0) * 8, "b/s", true);
export const exact = value => Math.round(value || 0).toLocaleString("en");
export function span(seconds) {
  seconds = Math.max(0, Math.round(seconds));
  if (seconds < 60) return seconds + "s";
  if (seconds < 3600) return Math.floor(seconds / 60) + "m" + (seconds % 60 ? String(seconds % 60).padStart(2, "0") + "s" : "");
  if (seconds < 86400) return Math.floor(seconds / 3600) + "h" + String(Math.floor(seconds / 60) % 60).padStart(2, "0") + "m";
  return Math.floor(seconds / 86400) + "d" + Math.floor(seconds / 3600) % 24 + "h";
}
export function clock(time) {
  const date = new Date(time);
  return date.toLocaleTimeString("en-GB", {hour12: false}) + "." + String(date.getMilliseconds()).padStart(3, "0");
}
export function endpoint(address, port) {
  if (address === undefined || address === null) return "";
  if (port === undefined || port === null) return address;
  return (address.includes(":") ? `[${address}]` : address) + ":" + port;
}

// --- pieces ---

// A verdict or state with a letter beside its colour.
const VERDICTS = {allow: ["A", "good"], bypass: ["B", "good"], deny: ["D", "bad"], reject: ["R", "warn"],
  begin: ["+", "info"], established: ["=", "good"], end: ["−", "dim"]};
export function verdict(word) {
  const [letter, kind] = VERDICTS[word] || ["?", "dim"];
  return el("span.chip." + kind, el("b", {"aria-hidden": "true"}, letter), " ", word);
}
const STATES = {ESTABLISHED: "good", UDP_STREAM: "good", ICMP_REPLIED: "good", SYN_SENT: "warn", SYN_RECEIVED: "warn", SYN_RECV: "warn"};
export function stateChip(state) {
  return el("span.chip." + (STATES[state] || "dim"), String(state).toLowerCase().replaceAll("_", " "));
}

export function toast(text, kind = "info") {
  const node = el("div.toast." + kind, text);
  document.getElementById("toasts").append(node);
  setTimeout(() => node.remove(), 7000);
}

// A panel over the page; Escape closes it and gives the focus back.
export function panel(title, content, actions = []) {
  const dialog = el("dialog.panel", {"aria-label": title},
    el("div.panel-head", el("h2", title), el("button.quiet", {type: "button", "aria-label": "Close", onclick: () => dialog.close()}, "✕")),
    el("div.panel-body", content),
    actions.length ? el("div.panel-foot", actions) : null);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

// Makes a row something that opens, by a click or by Enter; which must not go on to what has the focus then.
export function opens(what) {
  return {tabindex: 0, onclick: what, onkeydown: event => { if (event.key === "Enter" && event.target === event.currentTarget) { event.preventDefault(); what(); } }};
}

export function pairs(rows) {
  return el("dl.pairs", rows.filter(row => row && row[1] !== undefined && row[1] !== null && row[1] !== "")
    .map(([name, value]) => [el("dt", name), el("dd", value)]));
}

export function button(text, onclick, kind = "") {
  return el("button" + (kind ? "." + kind : ""), {type: "button", onclick}, text);
}

export function note(text) {
  return el("p.note", text);
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied");
  } catch {
    panel("Copy this", el("textarea.code", {rows: 8, readonly: true, "aria-label": "Text to copy"}, text));
  }
}

export function ruleName(rule) {
  if (!rule) return "default";
  if (rule.label) return rule.label;
  if (rule.line) return String(rule.file || "").split("/").pop() + ":" + rule.line;
  return "#" + rule.id;
}
