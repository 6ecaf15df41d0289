// Interests: in words, as a stream over time, as a list with evidence, and what is expected next.

import { byId, make, measure } from "./dom.js";
import { day, percent, plural } from "./format.js";
import { assignColours, hueOf, SLOTS } from "./palette.js";
import { state, watch } from "./state.js";
import { StreamChart } from "./stream.js";

const REST = "everything else";
const TRENDS = { emerging: ["↗", "growing"], steady: ["→", "steady"], fading: ["↘", "fading"], returned: ["↺", "back again"] };
const LISTS = { emerging: "Emerging", long_term: "Long-term", recent: "Recent", fading: "Fading" };
const KINDS = { view: "viewed", purchase: "bought" };
let chart = null;
let shown = null; // the stream as drawn: at most SLOTS series and the rest
let readings = []; // one per row of the list: how to show its weight at a moment

export function startInterests() {
  chart = new StreamChart(read, describe);
  for (const input of byId("scale").querySelectorAll("input")) {
    input.addEventListener("change", () => chart.setScale(input.value));
  }
  watch(["person", "history"], showFacts);
  watch(["interests"], show);
  watch(["busy"], ({ busy }) => byId("interests-panel").setAttribute("aria-busy", String(busy)));
}

function showFacts({ person, history }) {
  byId("person-title").textContent = person ?? "";
  byId("forget").hidden = !history.length;
  const span = history.length ? `, ${day(history[0].timestamp)} – ${day(history.at(-1).timestamp)}` : "";
  byId("person-facts").textContent = history.length ? plural(history.length, "event") + span : "New here";
}

function show({ interests }) {
  for (const id of ["words", "words-note"]) byId(id).textContent = "";
  for (const id of ["lists", "expected", "bands", "values"]) byId(id).replaceChildren();
  byId("moment").textContent = "";
  shown = null;
  if (!interests) return chart.clear();
  const words = state.history.length ? interests.words : "Nothing is known of them yet.";
  byId("words-note").textContent = state.history.length ? note(interests) : "Post a few events below; two that belong together make an interest.";
  const byStrength = strongestFirst(interests);
  assignColours(byStrength.map(({ name }) => name));
  byId("words").replaceChildren(...underlined(words, interests.interests.map(({ name }) => name)));
  showLists(interests.summary);
  shown = { timestamps: interests.timeline.timestamps, series: gather(interests.timeline.series, byStrength) };
  showBands(interests.interests);
  chart.show(shown);
  showExpected(interests.expected);
  showTable();
}

function note({ by_model: byModel, unsupported, moved }) {
  if (!byModel) return "Counted from the events: no name the model gave held.";
  const dropped = unsupported.length ? ` It also named ${unsupported.join(", ")}; too few events support that, so it is left out.` : "";
  const corrected = moved.length ? ` It had ${moved.join(", ")} in another list than events and forecast show.` : "";
  return `Named by the model, each supported by events.${dropped}${corrected}`;
}

/** The summary's lists; one that is empty is left out. */
function showLists(summary) {
  const rows = Object.entries(LISTS).filter(([key]) => summary[key].length);
  byId("lists").replaceChildren(...rows.map(([key, label]) => make("div", {}, make("dt", {}, label),
    ...summary[key].map(({ interest, events }) => make("dd", {},
      make("span", { class: `named ${hueOf(interest)}` }, interest), ` ${events.length}`)))));
}

/** Series by what they weigh now and weighed in all; those the words name come before all others. */
function strongestFirst({ interests, timeline }) {
  const named = new Set(interests.map(({ name }) => name));
  const strength = ({ name, weights }) =>
    (named.has(name) ? 2 * weights.length : 0) + weights.at(-1) * weights.length + weights.reduce((sum, weight) => sum + weight, 0);
  return timeline.series.toSorted((one, other) => strength(other) - strength(one));
}

/** The words, each interest's name in them in its colour. */
function underlined(words, names) {
  const nodes = [];
  let rest = words;
  while (rest) {
    const places = names.map((name) => [rest.indexOf(name), name]).filter(([at]) => at >= 0);
    const [at, name] = places.sort((one, other) => one[0] - other[0] || other[1].length - one[1].length)[0] ?? [rest.length, ""];
    nodes.push(rest.slice(0, at));
    if (name) nodes.push(make("span", { class: `named ${hueOf(name)}` }, name));
    rest = rest.slice(at + name.length);
  }
  return nodes;
}

/** The strongest series in the order they first appear, and all others as one. */
function gather(series, byStrength) {
  const strongest = byStrength.slice(0, SLOTS);
  const born = ({ weights }) => weights.findIndex((weight) => weight > 0);
  const kept = series.filter((one) => strongest.includes(one)).sort((one, other) => born(one) - born(other));
  const others = byStrength.slice(SLOTS);
  if (!others.length) return kept;
  const sum = others[0].weights.map((_, at) => others.reduce((total, { weights }) => total + weights[at], 0));
  return [...kept, { name: REST, weights: sum }];
}

/** The list is the chart's legend, its reading at the cursor, and the evidence. */
function showBands(interests) {
  const known = new Map(interests.map((interest) => [interest.name, interest]));
  const last = ({ weights }) => weights.at(-1);
  const rows = shown.series.toSorted((one, other) => last(other) - last(one));
  readings = [];
  byId("bands").replaceChildren(...rows.map((one) => {
    const value = make("span", { class: "value" });
    const bar = make("span", { class: "bar-fill" });
    readings.push((moment) => {
      value.textContent = percent(one.weights[moment]);
      measure(bar, "--share", one.weights[moment]);
    });
    const line = [make("i", { class: "dot", "aria-hidden": "true" }), make("span", { class: "name" }, one.name),
      make("span", { class: "bar-track", "aria-hidden": "true" }, bar), value];
    const interest = known.get(one.name);
    if (!interest) return make("div", { class: `band-row ${hueOf(one.name)}` }, make("p", {}, ...line));
    return make("details", { class: `band-row ${hueOf(one.name)}` }, make("summary", {}, ...line), evidence(interest));
  }));
}

function evidence({ trend, p_value: pValue, events, first_seen: first, last_seen: last }) {
  const [arrow, word] = TRENDS[trend];
  const doubt = pValue < 1 ? ` (${pValue < 0.01 ? "p < 0.01" : `p = ${pValue.toFixed(2)}`})` : "";
  return make("div", { class: "evidence" },
    make("p", {}, make("span", { "aria-hidden": "true" }, `${arrow} `), `${word}${doubt} · ${plural(events.length, "event")}, ${day(first)} – ${day(last)}`),
    make("ul", {}, ...events.toReversed().map((event) => make("li", {}, event.title ?? event.item_id))));
}

/** Show the weights at a moment of the history. */
function read(moment) {
  for (const show of readings) show(moment);
  const place = `Event ${moment + 1} of ${shown.timestamps.length}`;
  byId("moment").textContent = `${place} · ${day(shown.timestamps[moment])} · ${act(moment)}`;
}

function describe(moment) {
  const weights = shown.series.map(({ name, weights }) => [name, weights[moment]]).filter(([, weight]) => weight > 0.005);
  const said = weights.sort((one, other) => other[1] - one[1]).map(([name, weight]) => `${name} ${percent(weight)}`);
  return `${day(shown.timestamps[moment])}, ${act(moment)}: ${said.join(", ") || "no interest yet"}`;
}

/** What happened at a moment; events of items the model does not know have no moment of their own. */
function act(moment) {
  const time = shown.timestamps[moment];
  const same = state.history.length === shown.timestamps.length;
  const event = same ? state.history[moment] : state.history.find(({ timestamp }) => timestamp === time);
  return event ? `${KINDS[event.event_type] ?? event.event_type ?? "met"} ${event.title ?? event.item_id}` : "an event";
}

function showExpected(expected) {
  const most = Math.max(...expected.map(({ probability }) => probability), 0);
  byId("expected").replaceChildren(...expected.map(({ name, probability }) =>
    make("li", { class: hueOf(name) }, make("span", { class: "name" }, name), make("span", { class: "value" }, percent(probability)),
      make("span", { class: "bar-track", "aria-hidden": "true" }, measure(make("span", { class: "bar-fill" }), "--share", probability / most)))));
}

function showTable() {
  const { timestamps, series } = shown;
  if (!series.length) return;
  const head = make("tr", {}, make("th", { scope: "col" }, "Event"), ...series.map(({ name }) => make("th", { scope: "col", class: "number" }, name)));
  const rows = timestamps.map((timestamp, at) => make("tr", {},
    make("th", { scope: "row" }, `${at + 1} · ${day(timestamp)}`),
    ...series.map(({ weights }) => make("td", { class: "number" }, percent(weights[at])))));
  byId("values").replaceChildren(make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)));
}
