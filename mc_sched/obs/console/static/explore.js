// The Explore view: filters, volume over time, lines, live tail.

import { address, ask } from "./api.js";
import { button, el, problem, select, toggle } from "./dom.js";
import { histogram } from "./histogram.js";
import { LEVELS } from "./levels.js";
import { deduplicated, fields, LABELS, row } from "./lines.js";
import { condition, go, question, range, RANGES, read } from "./state.js";

const AT_ONCE = 200;
const MOST_LIVE = 1000;
// what belongs to the person, not to the question
const taste = { wrap: false, prettify: false, dedup: "none", only: "" };

export async function explore(place) {
  const state = read();
  const asked = question(state);
  const list = el("ol", { id: "lines", class: taste.wrap ? "wrap" : "", "aria-label": "log lines" });
  const chart = el("div", { id: "volume" });
  const header = el("p", { id: "found", class: "quiet", "aria-live": "polite" });
  const footer = el("p", { class: "paging" });
  const page = { lines: [], asked, state, list, header };
  place.replaceChildren(filters(state), chart, tools(page, () => draw(page)), header, list, footer);

  const [volume, lines] = await Promise.all([ask("volume", asked), ask("lines", { ...asked, limit: AT_ONCE })]);
  const total = volume.bars.reduce((sum, [, levels]) => sum + Object.values(levels).reduce((a, b) => a + b, 0), 0);
  histogram(chart, volume, range(state), (from, to) =>
    go({ from: String(Math.floor(from)), to: String(Math.ceil(to)), id: "" }));
  page.lines = lines;
  page.total = total;
  draw(page);
  footer.append(button("Older lines", () => older(page), { id: "older", title: "o" }));
  if (state.id) reveal(list, state.id);
  return () => page.tail?.close();
}

function filters(state) {
  const where = el("input", { id: "where", value: state.where, placeholder: "site=cloud outcome!=succeeded", "aria-label": "conditions on fields", spellcheck: "false" });
  const words = el("input", { id: "words", type: "search", value: state.words, placeholder: "search words  ( / )", "aria-label": "words to search" });
  const form = el("form", { class: "filters" },
    select([...Object.keys(RANGES).map((name) => [name, `last ${name}`]), ["fixed", "fixed range"]],
      state.from ? "fixed" : state.range, (value) => value !== "fixed" && go({ range: value, from: "", to: "", id: "" }), "time range"),
    select([["", "all levels"], ...LEVELS.map((level) => [level, `${level} and graver`])], state.level,
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

// Labels and their values, as the log has them.
function labelPicker() {
  const picker = el("select", { id: "labels", "aria-label": "add a label filter" }, el("option", { value: "" }, "label…"));
  ask("labels").then((found) => {
    for (const [label, values] of Object.entries(found)) {
      if (values.length) picker.append(el("optgroup", { label }, values.map((value) =>
        el("option", { value: condition(label, "=", value) }, `${label}=${value}`))));
    }
  }).catch(() => {});
  picker.addEventListener("change", () => picker.value && go({ where: `${read().where} ${picker.value}`.trim() }));
  return picker;
}

function tools(page, redraw) {
  const { state, asked } = page;
  const set = (name) => (value) => { taste[name] = value; redraw(); };
  const live = button("Live tail", () => page.tail ? stop(page) : tail(page), { id: "live", title: "l", "aria-pressed": "false" });
  const pause = button("Pause", () => pauseTail(page), { id: "pause", hidden: true });
  const clear = button("Clear lines", () => { page.lines = []; redraw(); }, { id: "clear", hidden: true });
  Object.assign(page, { live, pause, clear });
  return el("div", { class: "tools" },
    button(state.order === "oldest" ? "Oldest first" : "Newest first", () => go({ order: state.order === "oldest" ? "newest" : "oldest" }), { id: "order" }),
    toggle("Wrap", taste.wrap, set("wrap")), toggle("Prettify", taste.prettify, set("prettify")),
    select([["none", "no dedup"], ["exact", "exact"], ["numbers", "numbers"], ["signature", "signature"]], taste.dedup, set("dedup"), "deduplicate"),
    el("span", { class: "gap" }), live, pause, clear,
    el("a", { class: "button", download: true, href: address("download", { ...asked, format: "text" }) }, "Text"),
    el("a", { class: "button", download: true, href: address("download", { ...asked, format: "json" }) }, "JSON"));
}

function draw(page) {
  const view = {
    words: page.state.words.split(/\s+/), question: page.asked, ...taste,
    show: (field) => { taste.only = taste.only === field ? "" : field; draw(page); },
  };
  page.list.className = `${taste.wrap ? "wrap" : ""} ${taste.prettify ? "pretty" : ""}`;
  const shown = deduplicated(page.lines, taste.dedup);
  page.list.replaceChildren(...shown.map((line) => row(line, view)));
  const of = page.tail ? "live" : `of ${page.total.toLocaleString("en")} lines`;
  const common = commonLabels(page.lines).map(([name, value]) => `${name}=${value}`).join(" ");
  page.header.replaceChildren(
    `${page.lines.length.toLocaleString("en")} ${of}`, common ? ` · common: ${common}` : "",
    taste.only ? ` · only ${taste.only} ` : "",
    taste.only ? button("show all fields", () => view.show(taste.only)) : "");
}

// What all lines share.
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
  const found = await ask("lines", { ...page.asked, order: "newest", from: 0, before: edge.id, limit: AT_ONCE });
  page.lines = oldestLast ? [...page.lines, ...found] : [...found.reverse(), ...page.lines];
  draw(page);
}

function tail(page) {
  page.tail = new EventSource(address("tail", page.asked));
  page.tail.onmessage = (event) => {
    const line = JSON.parse(event.data);
    const newest = page.state.order !== "oldest";
    page.lines = newest ? [line, ...page.lines].slice(0, MOST_LIVE) : [...page.lines, line].slice(-MOST_LIVE);
    page.due ??= setTimeout(() => { page.due = null; if (!page.paused) draw(page); }, 100);
  };
  page.tail.onerror = () => problem("the live tail was cut; it tries again");
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
  if (!item) return;
  item.classList.add("here");
  item.querySelector(".head").click();
  item.scrollIntoView({ block: "center" });
}
