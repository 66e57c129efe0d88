// SPDX-License-Identifier: BSD-2-Clause
// The field of a filter: it takes effect when typing pauses, "/" goes to it, Escape empties it.
import {el} from "./ui.js";

const PAUSE = 350;

export function searchBar(hint, text, changed) {
  let timer = 0;
  const input = el("input", {type: "search", value: text, placeholder: hint, "aria-label": "Filter", spellcheck: "false", autocomplete: "off", autocapitalize: "off"});
  const box = el("form.search", {role: "search", onsubmit: event => { event.preventDefault(); clearTimeout(timer); changed(input.value.trim()); }}, input);
  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => changed(input.value.trim()), PAUSE); });
  const key = event => {
    if (event.key === "/" && !/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) { event.preventDefault(); input.focus(); input.select(); }
  };
  document.addEventListener("keydown", key);
  return {box, input, set(value) { input.value = value; }, close() { clearTimeout(timer); document.removeEventListener("keydown", key); }};
}
