// Geometry of the stream chart: numbers in, paths out; knows nothing of the page.

/**
 * Stack series around a middle line, each point's total centred.
 * @param {number[][]} series Weights of each series at each moment.
 * @returns {{low: number, high: number}[][]} Edges of each series at each moment, in units of weight.
 */
export function stack(series) {
  const moments = series[0]?.length ?? 0;
  const totals = Array.from({ length: moments }, (_, at) => series.reduce((sum, weights) => sum + weights[at], 0));
  const floors = totals.map((total) => -total / 2);
  return series.map((weights) => weights.map((weight, at) => {
    const low = floors[at];
    floors[at] += weight;
    return { low, high: floors[at] };
  }));
}

/**
 * Slopes of a curve through points that never rises above or falls below them.
 * Source: Steffen 1990, A&A 239, 443.
 */
function slopes(xs, ys) {
  const last = xs.length - 1;
  const rise = (at) => (ys[at + 1] - ys[at]) / (xs[at + 1] - xs[at]);
  return xs.map((_, at) => {
    if (last === 0) return 0;
    if (at === 0) return rise(0);
    if (at === last) return rise(last - 1);
    const [left, right] = [rise(at - 1), rise(at)];
    const [before, after] = [xs[at] - xs[at - 1], xs[at + 1] - xs[at]];
    const mean = (left * after + right * before) / (before + after);
    return (Math.sign(left) + Math.sign(right)) * Math.min(Math.abs(left), Math.abs(right), Math.abs(mean) / 2);
  });
}

function curve(xs, ys) {
  const tilt = slopes(xs, ys);
  return xs.slice(1).map((x, at) => {
    const third = (x - xs[at]) / 3;
    return `C${[xs[at] + third, ys[at] + tilt[at] * third, x - third, ys[at + 1] - tilt[at + 1] * third, x, ys[at + 1]]
      .map((value) => value.toFixed(1)).join(",")}`;
  }).join("");
}

/** Path of the band between two edges. */
export function outline(xs, lows, highs) {
  const start = `M${xs[0].toFixed(1)},${highs[0].toFixed(1)}`;
  const turn = `L${xs.at(-1).toFixed(1)},${lows.at(-1).toFixed(1)}`;
  return `${start}${curve(xs, highs)}${turn}${curve(xs.toReversed(), lows.toReversed())}Z`;
}

/**
 * Places of moments along an axis, strictly rising so that curves have slopes.
 * @param {number[]} times Rising, equal ones allowed; their differences set the distances.
 */
export function spread(times, width) {
  const least = 0.5;
  const span = times.at(-1) - times[0];
  const room = width - least * (times.length - 1);
  return times.map((time, at) => least * at + (span ? ((time - times[0]) / span) * room : (room * at) / Math.max(1, times.length - 1)));
}

/**
 * Where a label of a given width fits best into a band: the place with the most height around it.
 * @returns {{x: number, y: number, room: number} | null} Middle of the label and the height it has.
 */
export function labelPlace(xs, lows, highs, labelWidth) {
  let best = null;
  for (const x of xs) {
    const [from, to] = [x - labelWidth / 2, x + labelWidth / 2];
    if (from < xs[0] || to > xs.at(-1)) continue;
    // The points inside the label's width and the first beyond it on either side.
    const first = Math.max(0, xs.findIndex((other) => other >= from) - 1);
    const after = xs.findIndex((other) => other >= to);
    const inside = [...Array(after - first + 1).keys()].map((step) => first + step);
    const floor = Math.max(...inside.map((at) => lows[at]));
    const roof = Math.min(...inside.map((at) => highs[at]));
    if (best === null || roof - floor > best.room) best = { x, y: (floor + roof) / 2, room: roof - floor };
  }
  return best;
}
