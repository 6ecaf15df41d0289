// The stream chart: interests over a history, with a cursor that pointer and arrow keys move.

import { labelPlace, outline, spread, stack } from "./bands.js";
import { byId, draw, make } from "./dom.js";
import { day, month } from "./format.js";
import { hueOf } from "./palette.js";

const SIDE = 10; // px kept free left and right
const AXIS = 26; // px below the bands, for dates
const LABEL_HEIGHT = 14;
const LABEL_FONT = '500 12px "Inter", sans-serif';
const DATE_DISTANCE = 92; // px between two dates of the axis, at least
const pen = document.createElement("canvas").getContext("2d");

/** One chart in `#stream`; `onMove(moment)` hears where the cursor is. */
export class StreamChart {
  constructor(onMove, describe) {
    Object.assign(this, { onMove, describe, data: null, scale: "event", moment: 0, xs: [] });
    this.box = byId("stream");
    this.svg = draw("svg", { "aria-hidden": "true" });
    this.slider = make("div", { class: "slider", role: "slider", tabindex: "0", "aria-label": "Moment in the history", "aria-valuemin": "1" }, this.svg);
    this.slider.addEventListener("keydown", (event) => this.#key(event));
    this.slider.addEventListener("pointermove", (event) => this.#point(event));
    this.slider.addEventListener("pointerdown", (event) => this.#point(event));
    this.slider.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse" && this.data) this.moveTo(this.data.timestamps.length - 1);
    });
    new ResizeObserver(() => this.#draw()).observe(this.box);
    document.fonts?.ready.then(() => this.#draw());
  }

  /** Show {timestamps, series: [{name, weights}]}, the cursor at its end. */
  show(data) {
    this.data = data.timestamps.length > 1 && data.series.length ? data : null;
    if (!this.data) {
      const hint = "The stream begins when two events share an interest.";
      this.box.replaceChildren(make("p", { class: "empty" }, hint));
      return;
    }
    if (this.slider.parentNode !== this.box) this.box.replaceChildren(this.slider);
    this.slider.setAttribute("aria-valuemax", String(data.timestamps.length));
    this.moment = data.timestamps.length - 1;
    this.#draw();
    this.moveTo(this.moment);
  }

  /** Show nothing, keeping the room. */
  clear() {
    this.data = null;
    this.box.replaceChildren();
  }

  setScale(scale) {
    this.scale = scale;
    this.#draw();
  }

  moveTo(moment) {
    const last = this.data.timestamps.length - 1;
    this.moment = Math.max(0, Math.min(last, moment));
    this.slider.setAttribute("aria-valuenow", String(this.moment + 1));
    this.slider.setAttribute("aria-valuetext", this.describe(this.moment));
    this.#placeCursor();
    this.onMove(this.moment);
  }

  #draw() {
    const width = this.box.clientWidth;
    if (!this.data || !width) return;
    const height = this.box.clientHeight;
    const { timestamps, series } = this.data;
    const steps = this.scale === "date" ? timestamps : timestamps.map((_, at) => at);
    this.xs = spread(steps, width - 2 * SIDE).map((x) => x + SIDE);
    this.floor = height - AXIS;
    const edges = stack(series.map(({ weights }) => weights));
    const tallest = Math.max(...timestamps.map((_, at) => 2 * edges.at(-1)[at].high), 0.01);
    const y = (value) => this.floor / 2 + (value * (this.floor - 12)) / tallest;
    const bands = series.map(({ name }, place) => ({
      name,
      lows: edges[place].map(({ low }) => y(low)),
      highs: edges[place].map(({ high }) => y(high)),
    }));
    this.cursor = draw("line", { class: "cursor", y1: 0, y2: this.floor });
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.replaceChildren(
      ...bands.map(({ name, lows, highs }) =>
        draw("path", { class: `band ${hueOf(name)}`, d: outline(this.xs, lows, highs) })),
      ...bands.map((band) => this.#label(band)).filter(Boolean),
      ...this.xs.map((x) => draw("line", { class: "tick", x1: x, x2: x, y1: this.floor, y2: this.floor + 4 })),
      ...this.#dates(),
      this.cursor);
    this.#placeCursor();
  }

  #label({ name, lows, highs }) {
    pen.font = LABEL_FONT;
    const place = labelPlace(this.xs, lows, highs, pen.measureText(name).width + 12);
    if (!place || place.room < LABEL_HEIGHT) return null;
    return draw("text", { class: "band-label", x: place.x, y: place.y, "text-anchor": "middle", "dominant-baseline": "central" }, name);
  }

  #dates() {
    const { timestamps } = this.data;
    const short = timestamps.at(-1) - timestamps[0] < 86400 * 120;
    const last = timestamps.length - 1;
    let free = -Infinity;
    return timestamps.map((timestamp, at) => {
      const x = this.xs[at];
      const crowded = x < free || this.xs[last] - x < 1.5 * DATE_DISTANCE;
      if (crowded && at !== 0 && at !== last) return null;
      free = x + DATE_DISTANCE;
      const anchor = at === 0 ? "start" : at === last ? "end" : "middle";
      return draw("text", { class: "date", x, y: this.floor + 19, "text-anchor": anchor }, (short ? day : month)(timestamp));
    }).filter(Boolean);
  }

  #placeCursor() {
    const x = this.xs[this.moment];
    if (x === undefined) return;
    this.cursor.setAttribute("x1", x);
    this.cursor.setAttribute("x2", x);
  }

  #point(event) {
    const at = event.clientX - this.slider.getBoundingClientRect().left;
    const distances = this.xs.map((x) => Math.abs(x - at));
    this.moveTo(distances.indexOf(Math.min(...distances)));
  }

  #key(event) {
    const last = this.data.timestamps.length - 1;
    const jump = Math.max(2, Math.round(last / 10));
    const targets = {
      ArrowLeft: this.moment - 1, ArrowDown: this.moment - 1, ArrowRight: this.moment + 1, ArrowUp: this.moment + 1,
      PageDown: this.moment - jump, PageUp: this.moment + jump, Home: 0, End: last,
    };
    if (!(event.key in targets)) return;
    event.preventDefault();
    this.moveTo(targets[event.key]);
  }
}
