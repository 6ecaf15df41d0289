// A small line over time: values in, SVG out. A value that is not known leaves a gap.

import { draw } from "../dom.js";

const WIDTH = 240;

/**
 * Draw values at even distances, from 0 to the largest.
 * @param {(number | null)[]} values Oldest first.
 * @param {string} label What screen readers are told.
 */
export function line(values, label, height = 56) {
  const known = values.filter((value) => value !== null);
  const most = Math.max(...known, 0) || 1;
  const least = Math.min(...known, 0);
  const x = (place) => (values.length < 2 ? WIDTH / 2 : (place / (values.length - 1)) * WIDTH);
  const y = (value) => height - 4 - ((value - least) / (most - least)) * (height - 8);
  const runs = [];
  for (const [place, value] of values.entries()) {
    if (value === null) continue;
    if (place > 0 && values[place - 1] !== null) runs.at(-1).push([x(place), y(value)]);
    else runs.push([[x(place), y(value)]]);
  }
  const points = (run) => run.map(([across, down]) => `${across.toFixed(1)},${down.toFixed(1)}`).join(" ");
  // A line of no length with round ends is a dot that keeps its shape when the chart is stretched.
  const path = (run) => (run.length > 1
    ? draw("polyline", { class: "line", points: points(run) })
    : draw("polyline", { class: "line point", points: points([run[0], run[0]]) }));
  return draw("svg", { class: "line-chart", role: "img", "aria-label": label, viewBox: `0 0 ${WIDTH} ${height}`, preserveAspectRatio: "none" },
    draw("line", { class: "floor", x1: 0, x2: WIDTH, y1: y(least), y2: y(least) }), ...runs.map(path));
}
