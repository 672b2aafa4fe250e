// Histogram of lines over time, stacked by level; dragging over a part zooms in.

import { axis, timeAxis } from "./charts.js";
import { el } from "./dom.js";
import { LEVELS } from "./levels.js";
import { stacked } from "./stacked.js";

// increments of the axis: whole numbers only, because it counts lines
const WHOLE = Array.from({ length: 9 }, (_, power) => [1, 2, 5].map((n) => n * 10 ** power)).flat();

export function histogram(place, volume, over, zoom) {
  const layers = LEVELS.map((level) => ({
    name: level, colour: level,
    bars: new Map(volume.bars.filter(([, levels]) => levels[level]).map(([at, levels]) => [Number(at), levels[level]])),
  })).filter((layer) => layer.bars.size);
  place.replaceChildren();
  stacked(place, over, volume.width_s, layers, {
    height: 130,
    cursor: { drag: { x: true, y: false, setScale: false } },
    axes: [timeAxis(), { ...axis(), size: 55, incrs: WHOLE }],
    hooks: { setSelect: [(plot) => {
      if (plot.select.width < 3) return;
      const at = (x) => plot.posToVal(x, "x") * 1000;
      zoom(at(plot.select.left), at(plot.select.left + plot.select.width));
    }] },
  });
  const about = volume.share < 1 ? `estimated from 1 line in ${Math.round(1 / volume.share)}; ` : "";
  place.append(el("p", { class: "quiet" }, `${about}${volume.width_s} s per bar; drag to zoom`));
}
