// Online metrics over time: the last 24 hours as numbers, the days before as lines.

import * as api from "../api.js";
import { byId, make, measure } from "../dom.js";
import { day, percent, plural } from "../format.js";
import { attempt } from "./attempt.js";
import { line } from "./line.js";
import { table } from "./table.js";

const whole = (value) => value.toLocaleString("en-GB");
const decimals = (value) => value.toFixed(2);
const share = percent;
// What each is, in the words of docs/monitoring.md.
const FIGURES = [
  ["Pages shown", (one) => one.pages, whole, "different ones"],
  ["Users", (one) => one.users, whole, "who were shown a page"],
  ["Clicked", (one) => one.click_through, share, "of items shown"],
  ["Converted", (one) => one.conversion, share, "of items shown"],
  ["Next event hit", (one) => one.next_event_hit_rate, share, "of next events were on the page"],
  ["Coverage", (one) => one.coverage, share, "of the catalogue was shown"],
  ["Gini", (one) => one.gini, decimals, "0: all items alike"],
  ["Novelty", (one) => one.novelty_bits, (bits) => `${bits.toFixed(1)} bits`, "of shown items"],
  ["New items", (one) => one.new_item_share, share, "of items shown"],
  ["Repeats", (one) => one.repeat_rate, share, "of items shown to a user again"],
  ["Calibration error", (one) => one.calibration_error, share, "of shown probabilities"],
  ["Drift of codes", (one) => one.code_drift?.psi ?? null, decimals, "PSI", (one) => one.code_drift],
  ["Drift of scores", (one) => one.score_drift?.psi ?? null, decimals, "PSI", (one) => one.score_drift],
];
let asked = 0;

export function startOnline() {
  byId("days").addEventListener("change", load);
  load();
}

function load() {
  const turn = ++asked;
  return attempt(async () => {
    const count = byId("days").querySelector(":checked").value;
    byId("online").setAttribute("aria-busy", "true");
    const answer = await api.onlineMetrics(count).finally(() => byId("online").setAttribute("aria-busy", "false"));
    if (turn === asked) show(answer);
  }, load);
}

function show({ last_24_hours: now, days }) {
  const age = now.model_age_s === null ? "" : ` The newest event of training is ${plural(Math.round(now.model_age_s / 86400), "day")} old.`;
  byId("online-note").textContent = `Numbers: the last 24 hours. Lines: by day of UTC, ${day(days[0].since)} – ${day(days.at(-1).since)}.${age}`;
  byId("figures").replaceChildren(...FIGURES.map((figure) => card(figure, now, days)));
  byId("ranks").replaceChildren(now.ranks.length ? rankTable(now.ranks) : make("p", { class: "empty" }, "No page was shown in the last 24 hours."));
  byId("day-table").replaceChildren(dayTable(days));
}

function card([name, read, write, words, drift], now, days) {
  const value = read(now);
  const values = days.map(read);
  const known = values.filter((one) => one !== null);
  const spoken = known.length ? `${name} by day: ${days.map((one, at) => (values[at] === null ? null : `${day(one.since)} ${write(values[at])}`)).filter(Boolean).join(", ")}` : `${name} by day: nothing known`;
  const noise = drift?.(now)?.noise;
  const isAlarm = noise !== undefined && value !== null && value > noise;
  return make("div", { class: isAlarm ? "figure bad" : "figure" },
    make("h3", {}, name),
    make("p", { class: "figure-value" }, value === null ? "–" : write(value)),
    make("p", { class: "note" }, value === null ? "nothing known" : noise === undefined ? words : `${words}; without drift below ${decimals(noise)}`),
    line(values, spoken));
}

function rankTable(ranks) {
  const most = Math.max(...ranks.map(({ clicks, shown }) => clicks / shown), 0.001);
  const rows = ranks.map(({ rank, shown, clicks, conversions }) => make("tr", {},
    make("th", { scope: "row" }, String(rank)),
    ...[whole(shown), share(clicks / shown), share(conversions / shown)].map((text) => make("td", { class: "number" }, text)),
    make("td", { class: "bar-cell" }, make("span", { class: "bar-track", "aria-hidden": "true" }, measure(make("span", { class: "bar-fill" }), "--share", clicks / shown / most)))));
  return table(["Rank", "Shown", "Clicked", "Converted", ""], rows);
}

const dayTable = (days) => table(["Day", ...FIGURES.map(([name]) => name)], days.toReversed().map((one) => make("tr", {},
  make("th", { scope: "row" }, day(one.since)),
  ...FIGURES.map(([, read, write]) => make("td", { class: "number" }, read(one) === null ? "–" : write(read(one)))))));
