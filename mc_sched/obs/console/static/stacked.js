// Stacked bars over time.

import { colour } from "./dom.js";
import { timeSeries } from "./charts.js";

// `layers`: name, colour, and a Map from a bar's start to its height; the first is at the bottom.
export function stacked(place, { from, to }, width, layers, options) {
  const start = Math.floor(from / 1000 / width) * width;
  const count = Math.max(1, Math.ceil((to / 1000 - start) / width));
  const times = Array.from({ length: count }, (_, n) => start + n * width);
  const height = (layer, at) => layer.bars.get(at) || 0;
  const sums = layers.map((_, n) =>
    times.map((at) => layers.slice(0, n + 1).reduce((sum, layer) => sum + height(layer, at), 0)));
  const series = layers.map((layer) => ({
    label: layer.name, fill: colour(layer.colour), stroke: colour(layer.colour), width: 0,
    points: { show: false }, paths: uPlot.paths.bars({ size: [0.9, 60], align: 1 }),
    value: (plot, value, at, n) => n == null ? "–" : formatted(height(layer, times[n])),
  }));
  // each sum includes the layers below it, so the lowest layer is drawn last, over the others
  return new uPlot({
    width: place.clientWidth, ...options,
    scales: { x: { range: [start, start + count * width] }, y: { range: (plot, low, high) => [0, high * 1.05 || 1] } },
    series: [timeSeries, ...series.reverse()],
  }, [times, ...sums.reverse()], place);
}

const formatted = (value) => Number.isInteger(value) ? String(value) : value.toFixed(2);
