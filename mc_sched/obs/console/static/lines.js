// The list of log lines; each opens to show its fields.

import { button, el } from "./dom.js";
import { condition, go, hash, read } from "./state.js";
import { request } from "./api.js";
import { clock, milliseconds, stamp, zone } from "./time.js";

export const LABELS = ["node", "level", "kind", "name", "site", "outcome", "exit", "worker"];
// labels that come from the record's outcome -> their key in it
const OUTCOME_LABELS = { site: "site", outcome: "kind", exit: "exit" };
const LONGEST = 2000;
// fields that a line shows elsewhere, or only when it is open
const HIDDEN = /^(task|now_ns)$|(^|\.)(task_id|trace_id)$/;

// Every field of a record, named as in a condition.
export function fields(record) {
  const found = [];
  for (const label of LABELS) {
    const value = label in OUTCOME_LABELS ? record.data?.outcome?.[OUTCOME_LABELS[label]] : record[label];
    if (value || value === 0) found.push([label, String(value)]);
  }
  if (record.task_id) found.push(["task", record.task_id]);
  if (record.trace_id) found.push(["trace_id", record.trace_id]);
  walk(record.data, "", found);
  return found;
}

function walk(value, path, found) {
  if (value && typeof value === "object" && !Array.isArray(value)) {
    for (const [name, part] of Object.entries(value)) walk(part, path ? `${path}.${name}` : name, found);
  } else if (path && value !== null) {
    found.push([path, Array.isArray(value) ? JSON.stringify(value) : String(value)]);
  }
}

export const summary = (record, only) => {
  const all = fields(record).filter(([name]) => only ? name === only : !LABELS.includes(name) && !HIDDEN.test(name));
  return all.map(([name, value]) => `${name}=${value}`).join(" ");
};

// Text as nodes, with the search words marked.
export function marked(text, words) {
  const shown = text.length > LONGEST ? `${text.slice(0, LONGEST)} … (${text.length} characters)` : text;
  const terms = words.filter(Boolean).map((word) => word.replace(/\*$/, "").toLowerCase()).filter(Boolean);
  const nodes = [];
  let rest = shown;
  while (terms.length) {
    const lower = rest.toLowerCase();
    const hits = terms.map((term) => [lower.indexOf(term), term.length]).filter(([at]) => at >= 0).sort((a, b) => a[0] - b[0]);
    if (!hits.length) break;
    const [at, length] = hits[0];
    nodes.push(rest.slice(0, at), el("mark", {}, rest.slice(at, at + length)));
    rest = rest.slice(at + length);
  }
  return [...nodes, rest];
}

export function row(line, view) {
  const { record } = line;
  const task = record.task_id
    ? el("a", { href: toTask(taskOf(record)), class: "task" }, record.task_id)
    : el("span", { class: "quiet" }, "–");
  const head = el("div", { class: "head", tabindex: 0, role: "button", "aria-expanded": "false" },
    el("time", { title: `${stamp(milliseconds(line.id) / 1000)} ${zone()}` }, clock(line.id)), el("span", { class: "level" }, record.level), el("span", {}, record.node),
    task, el("b", {}, ...marked(record.name, view.words)),
    el("span", { class: "text" }, ...marked(view.prettify ? JSON.stringify(record.data, null, 2) : summary(record, view.only), view.words)),
    line.times > 1 ? el("span", { class: "times" }, `×${line.times}`) : null);
  const item = el("li", { class: `line ${record.level}`, "data-id": line.id }, head);
  const flip = () => {
    const open = item.querySelector(".fields");
    if (open) open.remove(); else item.append(opened(line, view));
    head.setAttribute("aria-expanded", String(!open));
  };
  head.addEventListener("click", (event) => { if (event.target.tagName !== "A") flip(); });
  head.addEventListener("keydown", (event) => {
    if ((event.key === "Enter" || event.key === " ") && event.target === head) { event.preventDefault(); flip(); }
  });
  return item;
}

const toTask = (task) => hash({ ...read(), view: "task", task, id: "" });

// Link a task id or a trace id to the task's time line.
function linked(record, field, value) {
  const id = { task: taskOf(record), trace_id: record.trace_id }[field];
  return id ? [el("a", { href: toTask(id) }, ...value)] : value;
}

// In the cloud's log, a task id has the edge's id as prefix.
const taskOf = (record) => record.node === "cloud" ? record.task_id?.replace(/^[^/]*\//, "") : record.task_id;

function opened(line, view) {
  const filter = (operator, field, value) => () => go({ where: `${read().where} ${condition(field, operator, value)}`.trim() });
  const rows = fields(line.record).map(([field, value]) => el("tr", {},
    el("td", {},
      button("+", filter("=", field, value), { title: `only ${field} = this`, "aria-label": `filter for ${field}` }),
      button("−", filter("!=", field, value), { title: `without ${field} = this`, "aria-label": `filter out ${field}` }),
      button("◉", () => view.show(field), { title: "show only this field", "aria-label": `show only ${field}` }),
      button("Σ", (event) => statistics(event.target.closest("tr"), field, view), { title: "statistics", "aria-label": `statistics of ${field}` })),
    el("th", { scope: "row" }, field), el("td", { class: "value" }, ...linked(line.record, field, marked(value, view.words)))));
  return el("div", { class: "fields" },
    el("div", { class: "actions" },
      button("Context", (event) => context(event.target.closest("li"), line, view)),
      button("Copy link", () => navigator.clipboard?.writeText(new URL(permalink(line), location.href).href)),
      el("a", { class: "permalink", href: permalink(line) }, "Permalink")),
    el("table", {}, el("tbody", {}, rows)));
}

// A link to a fixed range around the line, without filters that might hide it.
function permalink(line) {
  const ms = milliseconds(line.id);
  return hash({ view: "explore", from: String(ms - 60000), to: String(ms + 60000), id: line.id });
}

async function statistics(place, field, view) {
  const known = place.nextElementSibling;
  if (known?.className === "statistics") { known.remove(); return; }
  const found = await request("statistics", { ...view.query, field });
  const bars = found.top.map(([value, count]) => el("li", {},
    el("meter", { min: 0, max: found.lines, value: count }), ` ${Math.round(100 * count / found.lines)}% `,
    el("span", {}, value === "" ? "(empty)" : value), ` (${count})`));
  place.after(el("tr", { class: "statistics" }, el("td", { colspan: 3 },
    el("p", { class: "quiet" }, `${field}: ${found.values} values in ${found.lines} lines`), el("ul", {}, bars))));
}

async function context(item, line, view) {
  const known = item.querySelector(".context");
  if (known) { known.remove(); return; }
  const lines = await request("around", { id: line.id, limit: 5 });
  item.append(el("ol", { class: "context", "aria-label": "lines around this one" }, lines.map((one) => {
    const inner = row(one, { ...view, words: [] });
    if (one.id === line.id) inner.classList.add("target");
    return inner;
  })));
}

// Merge successive lines that are equal exactly, except for numbers, or in their structure only.
export function deduplicated(lines, how) {
  if (how === "none") return lines;
  const kept = [];
  for (const line of lines) {
    const key = signature(line.record, how);
    const last = kept.at(-1);
    if (last && last.key === key) last.times += 1;
    else kept.push({ ...line, key, times: 1 });
  }
  return kept;
}

function signature(record, how) {
  const text = `${record.level} ${record.name} ${JSON.stringify(record.data)}`;
  if (how === "exact") return text;
  return how === "numbers" ? text.replace(/\d+(\.\d+)?/g, "#") : text.replace(/[^\s{}[\]:,"]+/g, "");
}
