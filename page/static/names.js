// SPDX-License-Identifier: BSD-2-Clause
// Names of hosts: of DHCP leases, and by reverse DNS where somebody wants that. They come when they are there; nothing waits for them.
import {el} from "./ui.js";
import * as api from "./api.js";
import {hosts, hostKey, hostTerms} from "./filter.js";

const known = new Map(); // address: {name, from}
const AGAIN = 1500, KEPT = 5000, ASKED = 400;
let dns = false, timer = 0;
try { dns = localStorage.getItem("dns") === "1"; } catch { /* not allowed here */ }

// The place of a name beside an address, which is filled when it is known.
export function hostName(address) {
  const node = el("span.host", {"data-host": address});
  put(node);
  return node;
}

function put(node) {
  const one = known.get(node.dataset.host);
  node.textContent = one ? " " + one.name : "";
  node.title = one ? (one.from === "lease" ? "by its DHCP lease" : "by reverse DNS, which its owner may say anything in") : "";
}

// Asks for the names of what the document shows; what is not known yet is asked again by the next call, or once a little later.
export async function findNames(again = true) {
  clearTimeout(timer);
  const nodes = [...document.querySelectorAll("[data-host]")], addresses = [...new Set(nodes.map(node => node.dataset.host))].slice(0, ASKED);
  if (!addresses.length) return;
  let answer;
  try { answer = await api.post("/api/names", {addresses, dns}); } catch { return; }
  if (known.size > KEPT) known.clear();
  for (const address of addresses) known.delete(address);
  for (const [address, one] of Object.entries(answer.names)) known.set(address, one);
  for (const node of document.querySelectorAll("[data-host]")) put(node);
  if (again && dns) timer = setTimeout(() => findNames(false), AGAIN);
}

const HOSTS_AGE = 10000; // ms
const asked = new Map(); // a word of a filter: {at, remark}

async function findHost(one) {
  const key = hostKey(one), last = asked.get(key);
  if (last && Date.now() - last.at < HOSTS_AGE) return last.remark;
  let remark = "";
  try {
    const answer = await api.post("/api/names", {host: one.value, contains: one.op === "~", dns});
    hosts.set(key, answer.addresses);
    if (!answer.addresses.length) remark = `No host is known by the name "${one.value}".`;
    else if (answer.more) remark = `More hosts have the name "${one.value}" than can be asked for: these are some of them.`;
  } catch (error) { remark = error.message; }
  asked.set(key, {at: Date.now(), remark});
  return remark;
}

// Finds the addresses of hosts that a filter asks for by their names. Returns a remark for people, "" without any.
export async function findHosts(text) {
  return (await Promise.all(hostTerms(text).map(findHost))).filter(Boolean).join(" ");
}

// A button that turns reverse DNS on and off.
export function dnsButton() {
  const one = el("button", {type: "button", "aria-pressed": String(dns), title: "Ask the DNS for names of hosts that have no lease here; its servers see which addresses are asked for", onclick: () => {
    dns = !dns;
    one.setAttribute("aria-pressed", String(dns));
    try { localStorage.setItem("dns", dns ? "1" : "0"); } catch { /* not allowed here */ }
    findNames();
  }}, "Names by DNS");
  return el("div.seg", {role: "group", "aria-label": "Names"}, one);
}
