// Recommendations: chance, reason, and how each rank moved since the last event.

import { itemActions } from "./actions.js";
import { byId, make, measure, unseen } from "./dom.js";
import { interestOfItems } from "./evidence.js";
import { day, logProbability, percent } from "./format.js";
import { hueOf } from "./palette.js";
import { state, watch } from "./state.js";
import { why } from "./why.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const NOT_NEAR = { sentence: "Near to no event in the history.", events: [] };
const MOVE = { duration: 420, easing: "cubic-bezier(.2,.7,.2,1)" };

export function startRecommendations() {
  watch(["recommendations"], show);
  // The colours of reasons are those of the chart, which may arrive later.
  watch(["interests"], colour);
  watch(["busy"], ({ busy }) => byId("recommendations-panel").setAttribute("aria-busy", String(busy)));
}

function show({ recommendations, before: last, plain }) {
  // Beside the list without filters and rules, movement is against that one.
  const before = plain ? new Map(plain.items.map((item) => [item.item_id, item.rank])) : last;
  const list = byId("recommendations");
  byId("adapter").textContent = recommendations?.adapter ? `adapter ${recommendations.adapter}` : "";
  if (!recommendations) return list.replaceChildren();
  const tops = new Map([...list.children].map((row) => [row.dataset.item, row.getBoundingClientRect().top]));
  const focused = list.contains(document.activeElement) ? focusedAction(list) : null;
  const items = recommendations.items;
  const best = Math.max(...items.map((item) => item.score));
  list.replaceChildren(...items.map((item) => row(item, best, before)));
  if (!items.length) list.append(make("li", { class: "none" }, "Every item of the catalogue is in this history already."));
  if (before && !calm.matches) glide(list, tops);
  if (focused) refocus(list, focused);
  colour(state);
}

function row(item, best, before) {
  const title = item.title ?? item.item_id;
  const bar = measure(make("span", { class: "bar-fill" }), "--share", Math.exp(item.score - best));
  return make("li", { class: "item", "data-item": item.item_id, "data-near": item.reason?.events[0]?.item_id },
    make("div", { class: "item-text" },
      make("p", { class: "item-title" },
        make("span", { class: "rank" }, String(item.rank)), title, movement(item, before)),
      make("p", { class: "chance" },
        make("span", { class: "bar-track", "aria-hidden": "true" }, bar),
        make("strong", {}, unseen("Chance "), percent(Math.exp(item.score))),
        make("span", { class: "log" }, unseen("log-probability "), logProbability(item.score)))),
    itemActions(item),
    state.history.length > 0 && reason(item.reason ?? NOT_NEAR),
    state.history.length > 0 && why(item));
}

function reason({ sentence, events }) {
  const dates = events.map((event) => `${event.title ?? event.item_id}, ${day(event.timestamp)}`).join("\n");
  return make("p", { class: "reason", title: dates || null },
    make("i", { class: "dot", "aria-hidden": "true" }), make("span", {}, sentence));
}

function movement(item, before) {
  if (!before) return null;
  const earlier = before.get(item.item_id);
  if (earlier === undefined) return make("span", { class: "moved new" }, "new");
  const rise = earlier - item.rank;
  if (rise === 0) return null;
  const arrow = make("span", { "aria-hidden": "true" }, rise > 0 ? "↑" : "↓");
  return make("span", { class: rise > 0 ? "moved up" : "moved down" },
    arrow, unseen(rise > 0 ? "up " : "down "), String(Math.abs(rise)));
}

/** A row takes the colour of the event it is near to. */
function colour({ history, interests }) {
  const names = interestOfItems(history, interests);
  for (const node of byId("recommendations").children) {
    node.className = `item ${hueOf(names.get(node.dataset.near))}`;
  }
}

/** Move every row from where it was to where it is. */
function glide(list, tops) {
  for (const node of list.children) {
    const was = tops.get(node.dataset.item);
    if (was === undefined) {
      node.animate([{ opacity: 0 }, { opacity: 1 }], MOVE);
    } else {
      const shift = was - node.getBoundingClientRect().top;
      if (shift) node.animate([{ transform: `translateY(${shift}px)` }, { transform: "none" }], MOVE);
    }
  }
}

function focusedAction(list) {
  const node = document.activeElement;
  const owner = [...list.children].find((child) => child.contains(node));
  return { item: owner.dataset.item, place: [...owner.querySelectorAll("button")].indexOf(node) };
}

/** Keep the keyboard on the same item; where it is gone, at the head of the list. */
function refocus(list, { item, place }) {
  const owner = [...list.children].find((child) => child.dataset.item === item);
  (owner?.querySelectorAll("button")[place] ?? byId("recommendations-title")).focus({ preventScroll: true });
}
