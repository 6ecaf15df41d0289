// What if: a past moment, events left out, interests turned up or down.

import { byId, make } from "./dom.js";
import { day, plural } from "./format.js";
import { hueOf } from "./palette.js";
import { suppose } from "./session.js";
import { AS_IT_IS, isSupposed, state, watch } from "./state.js";

const WAIT_MS = 250;
const LEVERS = 8;
const MOST_NATS = 3;
let timer = null;

export function startWhatIf() {
  byId("as-of").addEventListener("input", ({ target }) => {
    const event = state.history[Number(target.value)];
    soon({ asOf: event ? event.timestamp : null });
  });
  byId("as-it-is").addEventListener("click", () => {
    suppose(AS_IT_IS);
    showLevers(state);
    byId("what-if").querySelector("summary").focus();
  });
  watch(["history", "whatIf"], showMoment);
  watch(["interests", "person"], showLevers);
  watch(["history", "whatIf"], showNote);
}

/** Show what is supposed at once; ask the gateway when the hand rests. */
function soon(changes) {
  clearTimeout(timer);
  suppose(changes, false);
  timer = setTimeout(() => suppose({}), WAIT_MS);
}

function showMoment({ history, whatIf }) {
  const slider = byId("as-of");
  const place = whatIf.asOf === null ? history.length : history.findIndex(({ timestamp }) => timestamp >= whatIf.asOf);
  slider.max = String(history.length);
  slider.disabled = history.length === 0;
  // Of several events at one moment any may have been pointed at: leave the hand where it is.
  if (history[Number(slider.value)]?.timestamp !== whatIf.asOf) slider.value = String(place);
  const event = whatIf.asOf === null ? null : history[place];
  const words = event ? `${day(event.timestamp)}, before ${event.title ?? event.item_id}` : "now";
  byId("as-of-words").textContent = words;
  slider.setAttribute("aria-valuetext", words);
}

function showLevers({ interests }) {
  const names = interests ? [...interests.timeline.series, ...interests.expected].map(({ name }) => name) : [];
  byId("levers").replaceChildren(...[...new Set(names)].slice(0, LEVERS).map(lever));
}

function lever(name, place) {
  const id = `lever-${place}`;
  const words = make("output", { class: "value", for: id });
  const slider = make("input", { id, type: "range", min: -MOST_NATS, max: MOST_NATS, step: 0.5 });
  const show = () => {
    words.textContent = odds(Number(slider.value));
    slider.setAttribute("aria-valuetext", words.textContent);
  };
  slider.value = String(state.whatIf.interestBias[name] ?? 0);
  slider.addEventListener("input", () => {
    show();
    const { [name]: _, ...others } = state.whatIf.interestBias;
    const strength = Number(slider.value);
    soon({ interestBias: strength ? { ...others, [name]: strength } : others });
  });
  show();
  return make("div", { class: `lever ${hueOf(name)}` },
    make("label", { for: id }, make("i", { class: "dot", "aria-hidden": "true" }), make("span", { class: "name" }, name)), slider, words);
}

/** Nats as what they do to the odds: "× 4.5", "÷ 4.5". */
function odds(nats) {
  if (nats === 0) return "as it is";
  return `${nats > 0 ? "×" : "÷"} ${Math.exp(Math.abs(nats)).toFixed(1)}`;
}

function showNote({ whatIf }) {
  const turned = Object.keys(whatIf.interestBias).length;
  const parts = [
    whatIf.asOf !== null && `as of ${day(whatIf.asOf)}`,
    whatIf.without.length && `${plural(whatIf.without.length, "event")} left out`,
    turned && `${plural(turned, "interest")} turned`,
  ];
  byId("what-if-note").textContent = parts.filter(Boolean).join(" · ");
  byId("as-it-is").hidden = !isSupposed(whatIf);
  byId("recommendations-title").textContent = isSupposed(whatIf) ? "Recommended, if it were so" : "Recommended now";
}
