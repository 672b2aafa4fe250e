// Picker of a view's time range: the last minutes or a fixed range, with shift and zoom buttons.

import { button, el, select } from "./dom.js";
import { go, range, RANGES } from "./state.js";

export function rangePicker(state) {
  const { from, to } = range(state);
  const fixed = (start, end) => go({ from: String(Math.floor(start)), to: String(Math.ceil(end)), id: "" });
  const half = (to - from) / 2;
  const choose = (value) => value === "fixed" ? fixed(from, to) : go({ range: value, from: "", to: "", id: "" });
  return [
    select([...Object.keys(RANGES).map((name) => [name, `last ${name}`]), ["fixed", "fixed range"]],
      state.from ? "fixed" : state.range, choose, "time range"),
    ...(state.from ? [moment("from", from, (ms) => fixed(ms, Math.max(ms + 1000, to))), moment("to", to, (ms) => fixed(Math.min(from, ms - 1000), ms))] : []),
    el("span", { class: "group" },
      button("‹", () => fixed(from - half, to - half), { title: "earlier", "aria-label": "earlier" }),
      button("›", () => fixed(from + half, to + half), { title: "later", "aria-label": "later" }),
      button("−", () => fixed(from - half, to + half), { title: "zoom out (z)", "aria-label": "zoom out", id: "out" })),
  ];
}

function moment(label, ms, onchange) {
  const local = new Date(ms - new Date(ms).getTimezoneOffset() * 60000).toISOString().slice(0, 19);
  const input = el("input", { type: "datetime-local", step: 1, value: local, "aria-label": label, class: "moment" });
  input.addEventListener("change", () => input.value && onchange(new Date(input.value).getTime()));
  return input;
}
