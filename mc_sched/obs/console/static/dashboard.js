// The dashboard view: charts of the agent over a time range.

import { request } from "./api.js";
import { against, overTime, rates } from "./charts.js";
import { button, el, problem } from "./dom.js";
import { rangePicker } from "./ranges.js";
import { parameters, range, read } from "./state.js";

const OUTCOMES = { succeeded: "info", late: "warning", refused: "critical", failed: "error" };
const SITES = { edge: "debug", cloud: "warning" };
// red comes last, because it means failure elsewhere
const MANY = ["debug", "warning", "info", "critical", "trace", "unknown", "error"];
const EVERY_MS = 5000;

// Sort by name, so that each name keeps its colour.
const sorted = (groups) => Object.entries(groups).sort(([one], [other]) => one < other ? -1 : 1);

export async function dashboard(place) {
  const state = read();
  const panels = el("div", { class: "panels" });
  place.replaceChildren(el("form", { class: "filters" },
    ...rangePicker(state),
    button("Refresh", () => draw(panels, state))), panels);
  await draw(panels, state);
  const timer = setInterval(() => !state.from && !document.hidden && draw(panels, state).catch(() => {}), EVERY_MS);
  return () => clearInterval(timer);
}

async function draw(place, state) {
  const found = await request("dashboard", { ...parameters(state), where: "", words: "", level: "" });
  problem("");
  const over = range(state);
  // begin with the first point, so that a young log fills the width as well
  const first = Math.min(...found.rtt_ms.map(([at]) => at), ...found.tasks.map(([at]) => at)) * 1000;
  if (!state.from && Number.isFinite(first)) over.from = Math.max(over.from, first - 1000);
  place.replaceChildren();
  const site = (name) => found.tasks.filter((row) => row[2] === name).map((row) => [row[0], row[1]]);
  const layers = (bars, colours) => sorted(bars).map(([name, pairs], n) => ({
    name, colour: colours[name] || MANY[n % MANY.length],
    bars: new Map(pairs.map(([at, count]) => [at, count / found.width_s])),
  }));
  const counted = (title, bars, colours) =>
    rates(place, title, "per second", over, found.width_s, layers(bars, colours));
  overTime(place, "Latency by site, measured and predicted", "ms", over, [
    { name: "predicted", colour: "quiet", dots: true, pairs: found.tasks.filter((row) => row[3] != null).map((row) => [row[0], row[3]]) },
    { name: "edge", colour: "debug", dots: true, pairs: site("edge") },
    { name: "cloud", colour: "warning", dots: true, pairs: site("cloud") },
    { name: "no answer", colour: "error", dots: true, pairs: site("none") },
    { name: "deadline", colour: "text", dash: [4, 4], pairs: found.deadline_ms },
  ]);
  counted("Outcomes", found.outcomes, OUTCOMES);
  counted("Answered by", found.sites, SITES);
  counted("Exits", found.exits, {});
  counted("Given up on the cloud", { "given up": found.gave_up.SendGiveUp || [] }, { "given up": "error" });
  overTime(place, "Link: round trip, losses and recoveries", "ms", over, [
    { name: "rtt", colour: "debug", pairs: found.rtt_ms },
    { name: "lost", colour: "error", dots: true, pairs: found.link.filter(([, up]) => !up) },
    { name: "found", colour: "info", dots: true, pairs: found.link.filter(([, up]) => up) },
  ]);
  overTime(place, "Power", "W", over, [{ name: "device", colour: "warning", pairs: found.power_w }],
    { empty: "no power sensor reported in this range" });
  overTime(place, "E3 of the last tasks", "successes per joule", over,
    [{ name: "E3", colour: "info", pairs: found.tasks.filter((row) => row[5] != null).map((row) => [row[0], row[5]]) }]);
  against(place, "Forecasts against actual times", "ms",
    sorted(found.forecasts).map(([name, pairs], n) => ({ name, pairs, colour: MANY[n % MANY.length] })));
}
