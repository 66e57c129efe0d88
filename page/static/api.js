// SPDX-License-Identifier: BSD-2-Clause
// Questions to the page's server.

// `act`: this tab may change something; `again`: it could if it knew the session's number, which is told once, at login.
export const session = {known: false, act: false, again: false, may_act: false, csrf: ""};

const NUMBER = "csrf";

// Begins with the answer to /api/login, which has the number, or to /api/session. The number is kept for this tab alone.
export function begin(answer) {
  const number = !!answer.csrf || answer.number;
  if (answer.csrf) session.csrf = answer.csrf;
  try { sessionStorage.setItem(NUMBER, session.csrf); } catch { /* not allowed here: until the tab is loaded anew */ }
  Object.assign(session, {known: true, act: answer.act && number, again: answer.act && !number, may_act: answer.may_act});
}

// A new tab asks the others of this page, and no other site's: they know the number as long as one of them is open.
const tabs = typeof BroadcastChannel === "function" ? new BroadcastChannel("keepstate") : null;
if (tabs) tabs.onmessage = event => {
  if (event.data?.ask && session.act) tabs.postMessage({number: session.csrf});
};
const TABS_PATIENCE = 250; // ms

function askTabs() {
  if (!tabs) return "";
  const asking = new BroadcastChannel("keepstate");
  return new Promise(resolve => {
    const done = number => { asking.close(); resolve(number); };
    asking.onmessage = event => { if (event.data?.number) done(String(event.data.number)); };
    asking.postMessage({ask: true});
    setTimeout(() => done(""), TABS_PATIENCE);
  });
}

export function forget() {
  Object.assign(session, {known: false, act: false, again: false, csrf: ""});
  try { sessionStorage.removeItem(NUMBER); } catch { /* not allowed here */ }
}

async function tell() {
  const response = await fetch("/api/session", {headers: {"X-Keepstate-Csrf": session.csrf}});
  return response.ok ? response.json() : null;
}

// Goes on with the session of the cookie. Returns false if there is none.
export async function resume() {
  try { session.csrf = sessionStorage.getItem(NUMBER) || ""; } catch { /* not allowed here */ }
  let answer = await tell();
  if (answer?.act && !answer.number) {
    session.csrf = await askTabs();
    if (session.csrf) answer = await tell();
  }
  if (answer) begin(answer);
  return !!answer;
}

export class Refusal extends Error {
  constructor(status, message, answer) {
    super(message);
    this.status = status;
    this.answer = answer;
  }
}

let whenLoggedOut = () => {};
export function onLoggedOut(what) { whenLoggedOut = what; }

async function refuse(response) {
  let answer = null;
  try { answer = await response.json(); } catch { /* it is no JSON */ }
  if (response.status === 401 && !response.url.endsWith("/api/login")) whenLoggedOut();
  throw new Refusal(response.status, answer?.error || `the server answers ${response.status}`, answer);
}

async function ask(method, path, body, signal) {
  const headers = {};
  if (session.csrf) headers["X-Keepstate-Csrf"] = session.csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body)});
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, "the page's server does not answer");
  }
  if (!response.ok) await refuse(response);
  return response;
}

export const get = async (path, signal) => (await ask("GET", path, undefined, signal)).json();
export const post = async (path, body) => (await ask("POST", path, body ?? {})).json();
export const remove = async path => (await ask("DELETE", path)).json();

// One JSON object a line.
export async function lines(path, signal) {
  const text = await (await ask("GET", path, undefined, signal)).text();
  return text.split("\n").filter(Boolean).map(line => JSON.parse(line));
}

// The first so many of a long list; the rest is not fetched.
export async function someLines(path, most, signal) {
  const reader = (await ask("GET", path, undefined, signal)).body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "", found = [];
  for (let part; found.length < most && !(part = await reader.read()).done;) {
    text += part.value;
    const cut = text.split("\n");
    text = cut.pop();
    found.push(...cut.filter(Boolean));
  }
  reader.cancel();
  return found.slice(0, most).map(line => JSON.parse(line));
}

export function query(parameters) {
  const text = new URLSearchParams();
  for (const [name, value] of parameters) text.append(name, value);
  return text.size ? "?" + text.toString().replaceAll("+", "%20") : "";
}

// Follows a stream while the tab is seen: a browser has six connections to a host. Returns a function that ends it.
export function follow(path, handlers) {
  let source = null, timer = 0, ended = false;
  const open = () => {
    if (ended || source || document.hidden) return;
    source = new EventSource(typeof path === "function" ? path() : path);
    source.onmessage = event => handlers.lines?.(event.data.split("\n"));
    source.addEventListener("away", event => handlers.away?.(event.data));
    source.addEventListener("back", event => handlers.back?.(event.data));
    source.addEventListener("refused", event => { handlers.refused?.(event.data); ended = true; close(); });
    source.addEventListener("over", () => { ended = true; close(); whenLoggedOut(); });
    source.onerror = () => {
      close();
      if (!ended) { handlers.away?.("the page's server does not answer"); timer = setTimeout(open, 2000); }
    };
  };
  const close = () => { clearTimeout(timer); source?.close(); source = null; };
  const see = () => document.hidden ? close() : open();
  document.addEventListener("visibilitychange", see);
  open();
  return () => { ended = true; close(); document.removeEventListener("visibilitychange", see); };
}
