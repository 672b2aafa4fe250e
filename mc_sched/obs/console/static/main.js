// Switches views, and handles keys and the theme.

import { request } from "./api.js";
import { dashboard } from "./dashboard.js";
import { problem } from "./dom.js";
import { explore } from "./explore.js";
import { go, hash, read } from "./state.js";
import { task } from "./task.js";

const VIEWS = { explore, dashboard, task };
const place = document.getElementById("view");
let leave = () => {};
let shown = 0;

async function show() {
  leave();
  leave = () => {};
  const state = read();
  const turn = ++shown;
  problem("");
  for (const link of document.querySelectorAll("nav a")) {
    const current = link.dataset.view === state.view;
    link.setAttribute("aria-current", current ? "page" : "false");
    if (!current) link.href = hash({ ...state, view: link.dataset.view, id: "" });
  }
  document.body.removeAttribute("data-ready");
  try {
    const left = await (Object.hasOwn(VIEWS, state.view) ? VIEWS[state.view] : explore)(place);
    if (turn === shown) leave = left || (() => {}); else left?.();
  } catch (error) {
    console.warn(error);
  }
  document.body.dataset.ready = state.view;
}

function flipTheme() {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
  show();
}

function step(by) {
  const heads = [...document.querySelectorAll("#lines > li > .head")];
  const at = heads.indexOf(document.activeElement);
  heads[Math.min(heads.length - 1, Math.max(0, at + by))]?.focus();
}

const KEYS = {
  "/": () => document.getElementById("words")?.focus(),
  j: () => step(1), k: () => step(-1),
  l: () => document.getElementById("live")?.click(),
  o: () => document.getElementById("older")?.click(),
  z: () => document.getElementById("out")?.click(),
  t: flipTheme, "?": () => document.getElementById("keys").showModal(),
  1: () => go({ view: "explore" }), 2: () => go({ view: "dashboard" }), 3: () => go({ view: "task" }),
};

addEventListener("keydown", (event) => {
  const typing = event.target.matches?.("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey;
  if (event.key === "Escape" && event.target.matches?.("input")) event.target.blur();
  if (typing || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});
document.getElementById("theme").addEventListener("click", flipTheme);
document.getElementById("help").addEventListener("click", KEYS["?"]);
addEventListener("hashchange", show);
request("about").then((about) => {
  document.getElementById("about").textContent =
    `${about.node} ${about.version} · ${about.lines.toLocaleString("en")} lines, ${(about.bytes / 1e6).toFixed(1)} MB`;
  document.title = `${about.node} · mc-sched console`;
}).catch(() => {});
show();
