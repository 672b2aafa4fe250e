// The task view: one task's time line across both nodes and the cause of its outcome.

import { request } from "./api.js";
import { el } from "./dom.js";
import { condition, go, hash, read } from "./state.js";

const LANES = { edge: "edge", link: "link", cloud: "cloud" };

export async function task(place) {
  const state = read();
  const input = el("input", { id: "task", value: state.task, placeholder: "task or trace id", "aria-label": "task or trace id" });
  const form = el("form", { class: "filters" }, input, el("button", { type: "submit" }, "Show"));
  form.addEventListener("submit", (event) => { event.preventDefault(); go({ view: "task", task: input.value.trim(), id: "" }); });
  place.replaceChildren(form);
  if (!state.task) { place.append(el("p", { class: "quiet" }, "Enter a task or trace id, or open a task in Explore.")); input.focus(); return; }
  const found = await request(`task/${encodeURIComponent(state.task)}`);
  place.append(
    el("section", { class: "panel wide" },
      el("h2", {}, `${found.task_id}: ${found.outcome ?? "open"}`),
      el("p", { id: "cause" }, `Because ${found.cause}.`),
      gantt(found),
      el("p", { class: "quiet" }, "Thin line: mean of the forecast; hatched: up to its upper quantile; dashed: deadline.")),
    el("section", { class: "panel wide" }, el("h2", {}, "Explanation"), el("pre", {}, found.text),
      el("a", { href: hash({ view: "explore", where: condition("task", "=", found.task_id), range: "7d" }) }, "Its lines in Explore")));
}

function gantt(found) {
  const most = Math.max(found.deadline_ms, ...found.spans.map((span) => Math.max(span.end_ms, span.start_ms + (span.upper_ms || 0)))) * 1.03;
  const percent = (ms) => `${Math.max(0, 100 * ms / most)}%`;
  const chart = el("div", { id: "gantt", role: "img", "aria-label": `time line of ${found.task_id}` });
  for (const lane of Object.keys(LANES)) {
    for (const span of found.spans.filter((one) => one.lane === lane)) {
      const long = span.end_ms - span.start_ms;
      const bar = el("div", { class: `bar ${lane}`, title: described(span, long) });
      bar.style.left = percent(span.start_ms);
      bar.style.width = percent(long);
      const track = el("div", { class: "track" }, bar);
      if (span.upper_ms != null) {
        const expected = el("div", { class: "expected", title: described(span, long) });
        expected.style.left = percent(span.start_ms);
        expected.style.width = percent(span.upper_ms);
        const mean = el("div", { class: "mean" });
        mean.style.left = percent(span.start_ms + span.mean_ms);
        track.append(expected, mean);
      }
      chart.append(el("div", { class: "span" }, el("span", { class: "name" }, `${lane} · ${span.name}`), track,
        el("span", { class: "long" }, `${long.toFixed(1)} ms`)));
    }
  }
  const deadline = el("div", { class: "deadline", title: `deadline: ${found.deadline_ms.toFixed(1)} ms` });
  deadline.style.left = percent(found.deadline_ms);
  chart.append(el("div", { class: "over" }, deadline));
  const scale = el("div", { class: "scale" });
  for (let ms = 0; ms <= most; ms += step(most)) {
    const mark = el("span", {}, `${ms} ms`);
    mark.style.left = percent(ms);
    scale.append(mark);
  }
  chart.append(el("div", { class: "span" }, el("span", {}), scale, el("span", {})));
  return chart;
}

// A round number of milliseconds that divides the time line into a few parts.
function step(most) {
  const unit = 10 ** Math.floor(Math.log10(most / 4));
  const parts = innerWidth < 640 ? 3 : 5;
  return [1, 2, 5, 10, 20].map((n) => n * unit).find((ms) => most / ms <= parts);
}

const described = (span, long) => span.upper_ms == null
  ? `${span.name}: ${long.toFixed(2)} ms`
  : `${span.name}: ${long.toFixed(2)} ms; expected ${span.mean_ms.toFixed(2)} ms, at most ${span.upper_ms.toFixed(2)} ms`;
