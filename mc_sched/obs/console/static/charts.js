// Charts of the dashboard: lines, bars and points over time.

import { colour, el } from "./dom.js";
import { stacked } from "./stacked.js";
import { marks, stamp } from "./time.js";

const HEIGHT = 210;
const NOTHING = "nothing in this range";

export const axis = (label) => ({
  label, labelSize: label ? 20 : 0, stroke: colour("quiet"), grid: { stroke: colour("line"), width: 1 },
  ticks: { stroke: colour("line"), width: 1 }, font: "11px system-ui",
});

export const timeAxis = () => ({ ...axis(), values: marks, space: 70 });
export const timeSeries = { label: "Time", value: (plot, at) => at == null ? "–" : stamp(at) };

function frame(title) {
  const plot = el("div", { class: "plot" });
  return { plot, panel: el("section", { class: "panel" }, el("h2", {}, title), plot) };
}

// `series`: name, colour, dots or line, and (time, value) pairs.
export function overTime(place, title, unit, { from, to }, series, extra = {}) {
  const { plot, panel } = frame(title);
  place.append(panel);
  const shown = series.filter((one) => one.pairs.length);
  if (!shown.length) { plot.append(el("p", { class: "quiet" }, extra.empty || NOTHING)); return; }
  const times = [...new Set(shown.flatMap((one) => one.pairs.map(([at]) => at)))].sort((a, b) => a - b);
  const index = new Map(times.map((at, n) => [at, n]));
  const columns = shown.map((one) => {
    const column = new Array(times.length).fill(null);
    for (const [at, value] of one.pairs) column[index.get(at)] = value;
    return column;
  });
  new uPlot({
    width: plot.clientWidth, height: HEIGHT, cursor: { drag: { x: false, y: false } },
    scales: { x: { range: [from / 1000, to / 1000] }, y: { range: (chart, low, high) => [Math.min(0, low), Math.max(extra.least || 0, high * 1.05) || 1] } },
    axes: [timeAxis(), { ...axis(unit), size: 50 }],
    series: [timeSeries, ...shown.map((one) => ({
      label: one.name, stroke: colour(one.colour), width: one.dots ? 0 : 1.5, spanGaps: true,
      paths: one.dots ? () => null : one.stepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
      points: { show: one.dots, size: 5, fill: colour(one.colour), stroke: colour(one.colour) },
      dash: one.dash, value: (chart, value) => value == null ? "–" : value.toFixed(value < 10 ? 2 : 0),
    }))],
  }, [times, ...columns], plot);
}

// Counts per bar, as a rate.
export function rates(place, title, unit, over, width, layers) {
  const { plot, panel } = frame(title);
  place.append(panel);
  const shown = layers.filter((layer) => layer.bars.size);
  if (!shown.length) { plot.append(el("p", { class: "quiet" }, NOTHING)); return; }
  const drag = { x: false, y: false };
  stacked(plot, over, width, shown, { height: HEIGHT, cursor: { drag }, axes: [timeAxis(), { ...axis(unit), size: 50 }] });
}

// Expected against actual values: a point for each pair, and the line on which both are equal.
export function against(place, title, unit, groups) {
  const { plot, panel } = frame(title);
  place.append(panel);
  const shown = groups.filter((one) => one.pairs.length);
  if (!shown.length) { plot.append(el("p", { class: "quiet" }, NOTHING)); return; }
  const all = shown.flatMap((one) => one.pairs.map(([expected, actual], n) => [expected, actual, one.name, n]))
    .sort((a, b) => a[0] - b[0]);
  const xs = all.map(([expected]) => expected);
  const most = Math.max(...all.map(([expected, actual]) => Math.max(expected, actual)));
  new uPlot({
    width: plot.clientWidth, height: HEIGHT, cursor: { drag: { x: false, y: false } },
    scales: { x: { time: false, range: [0, most * 1.05] }, y: { range: [0, most * 1.05] } },
    axes: [{ ...axis(`expected (${unit})`), size: 40 }, { ...axis(`actual (${unit})`), size: 50 }],
    series: [{ label: "expected", value: (chart, value) => value == null ? "–" : value.toFixed(1) },
      { label: "exact", stroke: colour("quiet"), width: 1, points: { show: false } },
      ...shown.map((one) => ({
        label: one.name, width: 0, stroke: colour(one.colour), paths: () => null,
        points: { show: true, size: 4, fill: colour(one.colour), stroke: colour(one.colour) },
        value: (chart, value) => value == null ? "–" : value.toFixed(1),
      }))],
  }, [[0, ...xs, most * 1.05], [0, ...xs, most * 1.05],
    ...shown.map((one) => [null, ...all.map(([, actual, name]) => name === one.name ? actual : null), null])], plot);
}
