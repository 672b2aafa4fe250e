// The Explore view: filters, histogram, log lines and live tail.

import { address, request } from "./api.js";
import { button, el, problem, select, toggle } from "./dom.js";
import { histogram } from "./histogram.js";
import { LEVELS } from "./levels.js";
import { deduplicated, fields, LABELS, row } from "./lines.js";
import { rangePicker } from "./ranges.js";
import { condition, go, parameters, range, read } from "./state.js";
import { zone } from "./time.js";

const PAGE_LINES = 200;
const MOST_LIVE = 1000;
// display options: not part of the query, so not in the address
const display = { wrap: false, prettify: false, dedup: "none", only: "" };

export async function explore(place) {
  const state = read();
  const query = parameters(state);
  const list = el("ol", { id: "lines", class: display.wrap ? "wrap" : "", "aria-label": "log lines" });
  const chart = el("div", { id: "volume" });
  const header = el("p", { id: "found", class: "quiet", "aria-live": "polite" });
  const more = button("Older lines", () => older(page), { id: "older", title: "o", hidden: true });
  const none = el("p", { id: "none", class: "panel", hidden: true }, "No line matches in this range. ",
    button("Search the last 7 days", () => go({ range: "7d", from: "", to: "", id: "" })));
  const page = { lines: [], query, state, list, header, none, more };
  place.replaceChildren(filters(state), chart, tools(page, () => draw(page)), header, list, none, el("p", { class: "paging" }, more));

  const counted = count(page, chart);
  counted.catch(() => {});  // the page shows the error; awaited below
  page.lines = await firstLines(state, query);
  page.loaded = true;
  draw(page);
  if (state.id) reveal(list, state.id);
  await counted;
  return () => page.tail?.close();
}

// Count lines per bar. The agent estimates if there are very many, unless `all` is set.
async function count(page, chart, all = "") {
  chart.setAttribute("aria-busy", "true");
  const volume = await request("volume", { ...page.query, count: all });
  chart.removeAttribute("aria-busy");
  page.total = volume.bars.reduce((sum, [, levels]) => sum + Object.values(levels).reduce((a, b) => a + b, 0), 0);
  page.share = volume.share;
  page.countAll = () => count(page, chart, "all");
  histogram(chart, volume, range(page.state), (from, to) =>
    go({ from: String(Math.floor(from)), to: String(Math.ceil(to)), id: "" }));
  if (page.loaded) head(page);
}

// The newest or oldest lines of the range or, for a permalink, the lines around its line.
async function firstLines(state, query) {
  if (!state.id) return request("lines", { ...query, limit: PAGE_LINES });
  const lines = await request("around", { id: state.id, limit: PAGE_LINES / 2 });
  return state.order === "oldest" ? lines : lines.reverse();
}

function filters(state) {
  const where = el("input", { id: "where", value: state.where, placeholder: "site=cloud outcome!=succeeded", "aria-label": "conditions on fields", spellcheck: "false" });
  const words = el("input", { id: "words", type: "search", value: state.words, placeholder: "search words  ( / )", "aria-label": "words to search" });
  const form = el("form", { class: "filters" },
    ...rangePicker(state),
    select([["", "all levels"], ...LEVELS.map((level) => [level, `${level} and above`])], state.level,
      (value) => go({ level: value }), "level"),
    labelPicker(), where, words, el("button", { type: "submit" }, "Run"),
    button("Clear", () => go({ where: "", words: "", level: "", id: "" })));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const changed = { where: where.value.trim(), words: words.value.trim(), id: "" };
    if (changed.where === state.where && changed.words === state.words) dispatchEvent(new HashChangeEvent("hashchange"));
    else go(changed);
  });
  return form;
}

// Picker of the labels and values that the log has.
function labelPicker() {
  const picker = el("select", { id: "labels", "aria-label": "add a label filter" }, el("option", { value: "" }, "label…"));
  request("labels").then((found) => {
    for (const [label, values] of Object.entries(found)) {
      if (values.length) picker.append(el("optgroup", { label }, values.map((value) =>
        el("option", { value: condition(label, "=", value) }, `${label}=${value}`))));
    }
  }).catch(() => {});
  picker.addEventListener("change", () => picker.value && go({ where: `${read().where} ${picker.value}`.trim() }));
  return picker;
}

function tools(page, redraw) {
  const { state, query } = page;
  const set = (name) => (value) => { display[name] = value; redraw(); };
  const live = button("Live tail", () => page.tail ? stop(page) : tail(page), { id: "live", title: "l", "aria-pressed": "false" });
  const pause = button("Pause", () => pauseTail(page), { id: "pause", hidden: true });
  const clear = button("Clear lines", () => { page.lines = []; redraw(); }, { id: "clear", hidden: true });
  Object.assign(page, { live, pause, clear });
  return el("div", { class: "tools" },
    button(state.order === "oldest" ? "Oldest first" : "Newest first", () => go({ order: state.order === "oldest" ? "newest" : "oldest" }), { id: "order" }),
    toggle("Wrap", display.wrap, set("wrap")), toggle("Prettify", display.prettify, set("prettify")),
    select([["none", "no dedup"], ["exact", "exact"], ["numbers", "numbers"], ["signature", "signature"]], display.dedup, set("dedup"), "deduplicate"),
    el("span", { class: "gap" }), live, pause, clear,
    el("a", { class: "button", download: true, href: address("download", { ...query, format: "text" }) }, "Text"),
    el("a", { class: "button", download: true, href: address("download", { ...query, format: "json" }) }, "JSON"));
}

function showOnly(page, field) {
  display.only = display.only === field ? "" : field;
  draw(page);
}

function draw(page) {
  const view = {
    words: terms(page.state.words), query: page.query, ...display,
    show: (field) => showOnly(page, field),
  };
  page.list.className = `${display.wrap ? "wrap" : ""} ${display.prettify ? "pretty" : ""}`;
  const shown = deduplicated(page.lines, display.dedup);
  page.list.replaceChildren(...shown.map((line) => row(line, view)));
  page.none.hidden = page.lines.length > 0 || Boolean(page.tail);
  page.more.hidden = page.lines.length === 0;
  head(page);
}

// The header: number of lines and their common labels.
function head(page) {
  const estimated = page.share < 1;
  const total = page.total == null ? "…" : `${estimated ? "about " : ""}${page.total.toLocaleString("en")}`;
  const of = page.tail ? "live" : page.beyond || page.state.id ? `lines, ${total} in the range` : `of ${total} lines`;
  const common = commonLabels(page.lines).map(([name, value]) => `${name}=${value}`).join(" ");
  page.header.replaceChildren(
    `${page.lines.length.toLocaleString("en")} ${of}`,
    ...(estimated ? [` (1 in ${Math.round(1 / page.share)} read) `, button("Count all", page.countAll, { id: "all" })] : []), common ? ` · common: ${common}` : "",
    ` · ${zone()}`, display.only ? ` · only ${display.only} ` : "",
    display.only ? button("show all fields", () => showOnly(page, display.only)) : "");
}

// Search words as the agent splits them: quotes group words.
const terms = (text) => [...text.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map((found) => found.slice(1).find(Boolean) || "");

// Labels that have the same value in all lines.
function commonLabels(lines) {
  if (!lines.length) return [];
  const rest = lines.slice(1).map((line) => new Map(fields(line.record)));
  return fields(lines[0].record).filter(([name, value]) =>
    LABELS.includes(name) && rest.every((one) => one.get(name) === value));
}

export async function older(page) {
  const oldestLast = page.state.order !== "oldest";
  const edge = oldestLast ? page.lines.at(-1) : page.lines[0];
  if (!edge) return;
  const found = await request("lines", { ...page.query, order: "newest", from: 0, before: edge.id, limit: PAGE_LINES });
  page.beyond = true;
  page.lines = oldestLast ? [...page.lines, ...found] : [...found.reverse(), ...page.lines];
  draw(page);
}

function tail(page) {
  page.tail = new EventSource(address("tail", page.query));
  page.tail.onmessage = (event) => {
    const line = JSON.parse(event.data);
    const newest = page.state.order !== "oldest";
    page.lines = newest ? [line, ...page.lines].slice(0, MOST_LIVE) : [...page.lines, line].slice(-MOST_LIVE);
    page.due ??= setTimeout(() => { page.due = null; if (!page.paused) draw(page); }, 100);
  };
  page.tail.onerror = () => problem(page.tail?.readyState === EventSource.CLOSED
    ? "the live tail was refused: too many are open, or the agent has stopped" : "the live tail was interrupted; reconnecting");
  page.tail.onopen = () => problem("");
  page.live.setAttribute("aria-pressed", "true");
  page.live.textContent = "Stop";
  page.pause.hidden = page.clear.hidden = false;
  draw(page);
}

function pauseTail(page) {
  page.paused = !page.paused;
  page.pause.textContent = page.paused ? "Resume" : "Pause";
  if (!page.paused) draw(page);
}

function stop(page) {
  page.tail.close();
  page.tail = null;
  page.paused = false;
  page.live.setAttribute("aria-pressed", "false");
  page.live.textContent = "Live tail";
  page.pause.textContent = "Pause";
  page.pause.hidden = page.clear.hidden = true;
  draw(page);
}

function reveal(list, id) {
  const item = [...list.children].find((one) => one.dataset.id === id);
  if (!item) { problem("the line of this link no longer exists: the store deletes the oldest lines (log_store in the configuration)"); return; }
  item.classList.add("target");
  item.querySelector(".head").click();
  item.scrollIntoView({ block: "center" });
}
