// Prometheus' text format: text in, samples out; knows nothing of the page.

const SAMPLE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** Read samples: name to [{labels, value}]. */
export function readSamples(text) {
  const samples = new Map();
  for (const line of text.split("\n")) {
    const found = line.startsWith("#") ? null : SAMPLE.exec(line);
    if (!found) continue;
    const [, name, written = "", value] = found;
    const labels = Object.fromEntries([...written.matchAll(LABEL)].map(([, label, text]) => [label, text.replace(/\\(.)/g, (_, char) => (char === "n" ? "\n" : char))]));
    samples.set(name, [...(samples.get(name) ?? []), { labels, value: value === "+Inf" ? Infinity : Number(value) }]);
  }
  return samples;
}

/** Sum of a name's samples that fit; 0 where there is none. */
export const sum = (samples, name, fits = () => true) =>
  (samples.get(name) ?? []).filter(({ labels }) => fits(labels)).reduce((total, { value }) => total + value, 0);

/**
 * A quantile of a histogram as Prometheus estimates it: values spread evenly within a bucket.
 * @returns {{value: number, isBound: boolean} | null} Seconds; `isBound` where it is at least that.
 */
export function quantile(samples, name, share, fits) {
  const buckets = (samples.get(`${name}_bucket`) ?? []).filter(({ labels }) => fits(labels))
    .map(({ labels, value }) => ({ to: labels.le === "+Inf" ? Infinity : Number(labels.le), count: value }))
    .sort((one, other) => one.to - other.to);
  const total = buckets.at(-1)?.count ?? 0;
  if (!total) return null;
  const at = buckets.findIndex(({ count }) => count >= share * total);
  const from = at === 0 ? { to: 0, count: 0 } : buckets[at - 1];
  if (buckets[at].to === Infinity) return { value: from.to, isBound: true };
  const part = (share * total - from.count) / (buckets[at].count - from.count);
  return { value: from.to + part * (buckets[at].to - from.to), isBound: false };
}
