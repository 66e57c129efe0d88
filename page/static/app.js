// SPDX-License-Identifier: BSD-2-Clause
// The frame: log in, the views, what the firewall is doing now.
import {el, fill, toast, button, span} from "./ui.js";
import * as api from "./api.js";
import {session} from "./api.js";
import {overview} from "./overview.js";
import {connections} from "./connections.js";
import {log} from "./log.js";
import {rules} from "./rules.js";
import {why} from "./why.js";
import {change} from "./change.js";

// Whatever a library takes for HTML is text.
window.trustedTypes?.createPolicy("default", {createHTML: text => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")});

const VIEWS = [["overview", "Overview", overview], ["connections", "Connections", connections], ["log", "Log", log],
  ["rules", "Rules", rules], ["why", "Why?", why], ["change", "Change", change]];
const main = document.getElementById("main"), nav = document.getElementById("nav"), top = document.getElementById("top");

// What all views share: the latest sample, and 15 minutes of points.
export const shared = {state: null, point: null, points: [], away: null};
let view = null, stopLive = null;

// --- where we are: #/view?name=value ---

export function place() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  return {view: path || "overview", query: new URLSearchParams(query || "")};
}

export function go(name, query = {}) {
  const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "" && value !== undefined && value !== null)).toString();
  location.hash = `#/${name}${text ? "?" + text : ""}`;
}

// Changes the query without making the view anew.
export function remember(query) {
  const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "" && value !== undefined && value !== null)).toString();
  history.replaceState(null, "", `#/${place().view}${text ? "?" + text : ""}`);
}

function show() {
  const here = place(), [name, title, make] = VIEWS.find(([one]) => one === here.view) || VIEWS[0];
  view?.close?.();
  fill(main);
  document.title = `${title} · Keepstate`;
  for (const link of nav.querySelectorAll("a")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  view = make(main, here.query, shared);
  if (shared.state) view?.sample?.(shared);
}

// --- the second ---

const live = document.getElementById("live"), banners = document.getElementById("banners");
let bannerText = "";

function say(kind, text) {
  if (live.textContent !== text) live.textContent = text;
  live.className = "live " + kind;
}

async function keep() {
  try {
    await api.post("/api/policy/keep");
    toast("The policy stays in force", "good");
  } catch (error) { toast(error.message, "bad"); }
}

// Redrawn only if something has changed, so that a screen reader says it once.
function drawBanners() {
  const trial = shared.state?.unconfirmed, list = [];
  if (shared.away) list.push(el("div.banner.bad", el("span", shared.away)));
  if (trial) list.push(el("div.banner", el("span", "A policy is on trial: without a word it goes back in ", el("b", {id: "trial-left"}, span(trial.seconds_left)),
    trial.before ? ` to ${trial.before}` : ""), session.act ? button("Keep it", keep, "primary") : null));
  for (const warning of shared.state?.warnings || []) list.push(el("div.banner", el("span", warning)));
  const text = list.map(one => one.textContent.replace(/\d+m?\d*s/, "")).join("|");
  const left = document.getElementById("trial-left");
  if (left && trial) left.textContent = span(trial.seconds_left);
  if (text === bannerText) return;
  bannerText = text;
  fill(banners, list);
}

function takeSample(sample) {
  shared.away = sample.away || null;
  if (sample.state) shared.state = sample.state;
  shared.point = sample.point || null;
  if (sample.point) { shared.points.push(sample.point); if (shared.points.length > 900) shared.points.shift(); }
  if (shared.away) say("off", "no daemon");
  else say("on", `live · ${shared.state.instance}`);
  drawBanners();
  view?.sample?.(shared);
}

async function startLive() {
  try { shared.points = (await api.get("/api/history?span=15m")).samples; } catch (error) { toast(error.message, "bad"); }
  stopLive = api.follow("/api/live", {
    lines: texts => texts.forEach(text => takeSample(JSON.parse(text))),
    away: text => { say("off", "disconnected"); shared.away = text; drawBanners(); },
  });
}

// --- log in ---

function loginForm(wrong = "") {
  stopLive?.(); stopLive = null; view?.close?.(); view = null;
  api.forget();
  top.hidden = true;
  fill(banners); bannerText = "";
  document.title = "Log in · Keepstate";
  const input = el("input", {type: "password", id: "token", autocomplete: "current-password", required: true, spellcheck: "false"});
  const complaint = el("p.wrong", {role: "alert"}, wrong);
  const form = el("form", {onsubmit: async event => {
    event.preventDefault();
    complaint.textContent = "";
    try { await login(input.value.trim()); } catch (error) { complaint.textContent = error.message; input.select(); }
  }}, el("label.field", {for: "token"}, "Token"), input, complaint, el("button.primary", {type: "submit"}, "Log in"),
  el("p.note", "keepstate page prints a token when it starts; the service keeps it in /var/lib/keepstate-page/view, and the one that may change things in act beside it."));
  fill(main, el("div.card.login", el("h1", el("img", {src: "/icon.svg", alt: "", width: 30, height: 30}), "Keepstate"), form));
  input.focus();
}

async function login(token) {
  api.begin(await api.post("/api/login", {token}));
  enter();
}

function enter() {
  top.hidden = false;
  show();
  startLive();
}

api.onLoggedOut(() => loginForm("The session is over; log in again."));

async function start() {
  for (const [name, title] of VIEWS) nav.append(el("li", el("a", {href: "#/" + name, "data-view": name}, title)));
  const token = location.hash.match(/^#token=(\w+)/)?.[1];
  if (token) history.replaceState(null, "", "#/overview");
  try {
    if (token) await login(token); else if (await api.resume()) enter(); else loginForm();
  } catch (error) { loginForm(token ? error.message : ""); }
}

// --- colours ---

const THEMES = [["", "◐", "as the system"], ["light", "☀", "light"], ["dark", "☾", "dark"]];
const theme = document.getElementById("theme");
function useTheme(name) {
  const [value, sign, words] = THEMES.find(([one]) => one === name) || THEMES[0];
  if (value) document.documentElement.dataset.theme = value; else delete document.documentElement.dataset.theme;
  theme.textContent = sign;
  theme.setAttribute("aria-label", "Colours: " + words);
  theme.title = "Colours: " + words;
}
theme.addEventListener("click", () => {
  const at = THEMES.findIndex(([one]) => one === (document.documentElement.dataset.theme || ""));
  const next = THEMES[(at + 1) % THEMES.length][0];
  try { localStorage.setItem("theme", next); } catch { /* not allowed here */ }
  useTheme(next);
  show();
});
try { useTheme(localStorage.getItem("theme") || ""); } catch { useTheme(""); }

document.getElementById("logout").addEventListener("click", async () => {
  try { await api.post("/api/logout"); } catch { /* it is over anyway */ }
  loginForm();
});
window.addEventListener("hashchange", () => { if (session.known) { show(); main.focus(); } });
start();
