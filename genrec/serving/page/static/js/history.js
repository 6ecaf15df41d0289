// The timeline: newest first, grouped by day, with the time that passed between days.

import { byId, make, unseen } from "./dom.js";
import { interestOfItems } from "./evidence.js";
import { day, gap, machineTime, plural, time } from "./format.js";
import { hueOf } from "./palette.js";
import { suppose } from "./session.js";
import { state, watch } from "./state.js";

const SHOWN = 14;
const KINDS = { view: "Viewed", purchase: "Bought" };
let whole = false;

export function startHistory() {
  watch(["person"], () => {
    whole = false;
  });
  watch(["history", "interests", "whatIf"], show);
  watch(["busy"], (fields) => {
    byId("history-panel").setAttribute("aria-busy", String(fields.busy));
    if (!fields.history.length) show(fields); // "Reading…" or what to do
  });
}

function show({ history, interests, busy }) {
  byId("history-count").textContent = history.length ? plural(history.length, "event") : "";
  const box = byId("history");
  if (!history.length) {
    const hint = "No events yet. View or buy something from the catalogue, and the model starts to read.";
    return box.replaceChildren(make("p", { class: "empty" }, busy ? "Reading…" : hint));
  }
  const focused = box.contains(document.activeElement) ? document.activeElement.dataset.number : undefined;
  const names = interestOfItems(history, interests);
  const newest = history.toReversed();
  // The gateway counts only events whose item is in the catalogue; others have no title.
  const numbers = new Map(history.filter(({ title }) => title !== null).map((event, place) => [event, place + 1]));
  const days = byDay(whole ? newest : newest.slice(0, SHOWN));
  const parts = days.map((events, place) => [
    make("h3", { class: "day" }, make("time", { datetime: machineTime(events[0].timestamp).slice(0, 10) }, day(events[0].timestamp))),
    make("ul", { class: "events" }, ...events.map((event) => row(event, names, numbers.get(event)))),
    passed(events, days[place + 1]),
  ]);
  const rest = history.length - SHOWN;
  const more = () => {
    whole = true;
    show({ history, interests, busy });
    byId("history-title").focus?.();
  };
  box.replaceChildren(...parts.flat().filter(Boolean));
  if (!whole && rest > 0) box.append(make("button", { type: "button", class: "button small more", onclick: more }, `Show ${rest} earlier`));
  if (focused !== undefined) box.querySelector(`[data-number="${focused}"]`)?.focus({ preventScroll: true });
}

function byDay(events) {
  const groups = [];
  for (const event of events) {
    const last = groups.at(-1);
    if (last && day(last[0].timestamp) === day(event.timestamp)) last.push(event);
    else groups.push([event]);
  }
  return groups;
}

function passed(events, earlier) {
  const words = earlier && gap(earlier[0].timestamp, events.at(-1).timestamp);
  return words ? make("p", { class: "gap" }, words) : null;
}

function row(event, names, number) {
  const { asOf, without } = state.whatIf;
  const isOut = without.includes(number) || (asOf !== null && event.timestamp >= asOf);
  const kind = KINDS[event.event_type] ?? event.event_type ?? "Event";
  return make("li", { class: `event ${hueOf(names.get(event.item_id))}${isOut ? " out" : ""}`, "data-kind": event.event_type },
    make("i", { class: "dot", "aria-hidden": "true" }),
    make("div", { class: "event-text" },
      make("p", { class: "event-title" }, event.title ?? event.item_id),
      make("p", { class: "event-facts" },
        make("span", {}, kind),
        make("time", { datetime: machineTime(event.timestamp) }, time(event.timestamp)),
        event.rating !== null && stars(event.rating),
        number !== undefined && leaveOut(event, number, without)),
      event.review && make("blockquote", {}, event.review)));
}

function leaveOut(event, number, without) {
  const isOut = without.includes(number);
  const toggle = () => suppose({ without: isOut ? without.filter((one) => one !== number) : [...without, number] });
  const spoken = `Leave out: ${event.title}`;
  return make("button", { type: "button", class: "leave-out", "aria-pressed": String(isOut), "aria-label": spoken, "data-number": number, onclick: toggle }, isOut ? "left out" : "leave out");
}

function stars(rating) {
  const full = Math.max(0, Math.min(5, Math.round(rating)));
  return make("span", { class: "stars" }, unseen(`rated ${rating} of 5`),
    make("span", { "aria-hidden": "true" }, "★".repeat(full), make("span", { class: "off" }, "★".repeat(5 - full))));
}
