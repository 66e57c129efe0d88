// SPDX-License-Identifier: BSD-2-Clause
// Names of hosts: of DHCP leases, and by reverse DNS where somebody wants that. They come when they are there; nothing waits for them.
import {el} from "./ui.js";
import * as api from "./api.js";

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
