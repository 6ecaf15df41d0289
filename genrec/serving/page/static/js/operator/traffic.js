// Is it well, and what is asked of it: /ready and /metrics, read again and again while wanted.

import * as api from "../api.js";
import { byId, make } from "../dom.js";
import { milliseconds, percent, plural } from "../format.js";
import { quantile, readSamples, sum } from "./exposition.js";
import { line } from "./line.js";

const EVERY_MS = 5000;
const FIRST_MS = 1000; // a rate takes two looks
const MOMENTS = 60; // kept for the chart
const PAGE = new Set(["/", "/operator", "none", "/ready", "/metrics", "/health"]); // this page's own
let rates = [];
let before = null;
let timer = null;

export function startTraffic() {
  byId("live").addEventListener("click", () => {
    const isLive = byId("live").getAttribute("aria-pressed") !== "true";
    byId("live").setAttribute("aria-pressed", String(isLive));
    clearTimeout(timer);
    if (isLive) look();
  });
  look();
}

async function look() {
  const [ready, text] = await Promise.all([orFault(api.ready()), orFault(api.metrics())]);
  if (!(text instanceof api.ApiError)) {
    const samples = readSamples(text);
    showRate(samples);
    showState(ready, samples);
    showRoutes(samples);
  } else {
    showState(ready, null);
  }
  clearTimeout(timer);
  if (byId("live").getAttribute("aria-pressed") === "true") timer = setTimeout(look, rates.length ? EVERY_MS : FIRST_MS);
}

/** A gateway that is away is a state of it, not a problem of the page. */
async function orFault(answer) {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof api.ApiError)) throw error;
    return error;
  }
}

const isOurs = ({ route }) => !PAGE.has(route);

function showRate(samples) {
  const now = performance.now();
  const total = sum(samples, "genrec_requests_total", isOurs);
  if (before && total >= before.total) rates = [...rates, (total - before.total) / ((now - before.now) / 1000)].slice(-MOMENTS);
  before = { now, total };
  if (!rates.length) return;
  const words = `now ${rates.at(-1).toFixed(1)}, at most ${Math.max(...rates).toFixed(1)}`;
  byId("rate-note").textContent = words;
  const empty = Array(MOMENTS - rates.length).fill(null);
  byId("rate").replaceChildren(line([...empty, ...rates], `Requests a second: ${words}`, 120));
}

function showState(ready, samples) {
  const isReady = !(ready instanceof api.ApiError);
  const tiles = [tile("State", isReady ? "Ready" : "Not ready", isReady ? `engine ${milliseconds(ready.engine_ms)} · store ${milliseconds(ready.store_ms)}` : ready.message, !isReady)];
  if (samples) {
    const of = (name, fits) => sum(samples, name, fits);
    const requests = of("genrec_requests_total", isOurs);
    const failed = of("genrec_requests_total", (labels) => isOurs(labels) && labels.status.startsWith("5"));
    const hours = (Date.now() / 1000 - of("process_start_time_seconds")) / 3600;
    tiles.push(
      tile("Requests", requests.toLocaleString("en-GB"), `${failed ? percent(failed / requests) : "none"} failed`, failed > 0),
      tile("Events posted", of("genrec_events_total").toLocaleString("en-GB"), `${plural(of("genrec_impressions_total"), "answer")} shown`),
      tile("Waiting", String(of("genrec_queue_depth")), "for the engine"),
      tile("Invalid items", percent(of("genrec_invalid_rate")), "of the engine’s; 0 is right", of("genrec_invalid_rate") > 0),
      tile("Coverage", percent(of("genrec_coverage")), "of the catalogue since start"),
      tile("Running", hours < 48 ? `${hours.toFixed(1)} h` : `${Math.round(hours / 24)} days`, `${Math.round(of("process_resident_memory_bytes") / 2 ** 20)} MiB of memory`));
  }
  byId("state").replaceChildren(...tiles);
}

const tile = (name, value, words, isBad = false) =>
  make("div", { class: isBad ? "tile bad" : "tile" }, make("dt", {}, name), make("dd", {}, make("strong", {}, value), make("span", { class: "note" }, words)));

function showRoutes(samples) {
  const rows = new Map();
  for (const { labels, value } of samples.get("genrec_requests_total") ?? []) {
    if (!isOurs(labels)) continue;
    const row = rows.get(labels.route) ?? { 2: 0, 4: 0, 5: 0 };
    row[labels.status[0]] = (row[labels.status[0]] ?? 0) + value;
    rows.set(labels.route, row);
  }
  const ordered = [...rows].sort(([, one], [, other]) => other[2] - one[2]);
  byId("routes").replaceChildren(...ordered.map(([route, row]) => {
    const within = (share) => {
      const found = quantile(samples, "genrec_request_seconds", share, (labels) => labels.route === route);
      return found ? `${found.isBound ? "> " : ""}${milliseconds(found.value * 1000)}` : "";
    };
    const number = (value, isBad) => make("td", { class: isBad ? "number fault" : "number" }, value);
    return make("tr", {}, make("th", { scope: "row" }, route.replace(":path", "")), number(row[2].toLocaleString("en-GB")),
      number(row[4].toLocaleString("en-GB")), number(row[5].toLocaleString("en-GB"), row[5] > 0), number(within(0.5)), number(within(0.95)));
  }));
}
