// The profile that a person can correct: interests with their receipts, and what is said of each.

import { byId, make, measure, unseen } from "./dom.js";
import { day, percent, plural } from "./format.js";
import { hueOf } from "./palette.js";
import { say } from "./session.js";
import { state, watch } from "./state.js";
import { giftsIn, wantOf, withGift, withWant } from "./wishes.js";

const SHOWN = 6;
const WANTS = { more: "More", less: "Less", never: "Never", pin: "Pin" };
const SPOKEN = { more: "More of", less: "Less of", never: "Never", pin: "Always some of" };
const SOURCES = { events: "events", model: "the model", user: "the person" };
const together = new Intl.ListFormat("en-GB");
let whole = false;
let earlier = []; // lists that were replaced, newest last

export function startProfile() {
  watch(["person"], () => {
    whole = false;
    earlier = [];
  });
  // The colours are those of the chart, which may arrive later.
  watch(["preferences", "interests"], show);
  watch(["busy"], ({ busy }) => byId("profile-panel").setAttribute("aria-busy", String(busy)));
  byId("undo").addEventListener("click", () => {
    change(earlier.at(-1), "Undone", false);
  });
  byId("unsay").addEventListener("click", () => change([], "All of it is taken back"));
}

async function change(list, words, keeps = true) {
  const before = state.preferences.preferences;
  const focused = document.activeElement?.dataset.focus;
  if (await say(list, words, () => change(list, words, keeps))) earlier = keeps ? [...earlier, before] : earlier.slice(0, -1);
  show(state);
  const again = [...byId("profile-panel").querySelectorAll("[data-focus]")].find((node) => node.dataset.focus === focused && !node.hidden);
  (again ?? byId("profile-title")).focus({ preventScroll: true });
}

function show({ preferences }) {
  byId("profile-panel").hidden = preferences === null;
  if (preferences === null) return byId("profile").replaceChildren();
  const { interests, preferences: list, lost, time } = preferences;
  const opened = new Set([...byId("profile").querySelectorAll("details[open]")].map((node) => node.dataset.name));
  byId("undo").hidden = !earlier.length;
  byId("unsay").hidden = !list.length;
  byId("profile-note").textContent = time === null
    ? "What events and the model say of them. Correct it: the list heeds it at once."
    : `${plural(list.length, "correction")}, the last on ${day(time)}.`;
  byId("lost").textContent = lost.length ? `Passed over, since it exists no more: ${lost.join("; ")}` : "";
  const rows = (whole ? interests : interests.slice(0, SHOWN)).map((interest) => belief(interest, list, opened));
  byId("profile").replaceChildren(...rows);
  const rest = interests.length - SHOWN;
  byId("more-profile").replaceChildren(...(whole || rest <= 0 ? [] : [make("button", { type: "button", class: "button small", onclick: showAll }, `Show ${plural(rest, "other")}`)]));
  showGifts(list);
}

function showAll() {
  whole = true;
  show(state);
  byId("profile").children[SHOWN].querySelector("button").focus();
}

function belief(interest, list, opened) {
  const { name, weight, said_by: sources, since, events, expected, contradiction, want } = interest;
  const said = wantOf(list, interest);
  const facts = [
    `said by ${together.format(sources.map((source) => SOURCES[source]))}`,
    since !== null && `since ${day(since)}`,
    expected !== null && `expected next: ${percent(expected)}`,
    want !== null && said === null && `${SPOKEN[want].toLowerCase()} what it is part of`,
  ];
  return make("li", { class: `belief ${hueOf(name)}`, "data-want": want },
    make("div", { class: "belief-head" },
      make("i", { class: "dot", "aria-hidden": "true" }),
      make("h3", { class: "name" }, name),
      make("span", { class: "bar-track", "aria-hidden": "true" }, measure(make("span", { class: "bar-fill" }), "--share", weight)),
      make("span", { class: "value" }, unseen("weight "), percent(weight))),
    make("p", { class: "note" }, facts.filter(Boolean).join(" · ")),
    contradiction && make("p", { class: "contradiction" }, contradiction),
    make("div", { class: "actions", role: "group", "aria-label": `What they want of ${name}` },
      ...Object.keys(WANTS).map((one) => wish(interest, list, one, said))),
    events.length > 0 && receipt(name, events, list, opened));
}

function wish(interest, list, want, said) {
  const isSaid = said === want;
  const words = isSaid ? `No longer: ${SPOKEN[want].toLowerCase()} ${interest.name}` : `${SPOKEN[want]} ${interest.name}`;
  return make("button", {
    type: "button", class: "button small", "aria-pressed": String(isSaid), "aria-label": `${WANTS[want]}: ${interest.name}`,
    "data-focus": `${want} ${interest.name}`, onclick: () => change(withWant(list, interest, isSaid ? null : want), words),
  }, WANTS[want]);
}

function receipt(name, events, list, opened) {
  return make("details", { class: "receipt", "data-name": name, open: opened.has(name) },
    make("summary", {}, `The ${plural(events.length, "event")} it rests on`),
    make("ul", {}, ...events.toReversed().map((event) => make("li", {},
      make("span", {}, event.title), make("span", { class: "note" }, ` ${day(event.timestamp)} `),
      make("button", { type: "button", class: "leave-out", "aria-label": `That was a gift: ${event.title}, ${day(event.timestamp)}`, "data-focus": `gift ${event.item_id} ${event.timestamp}`,
        onclick: () => change(withGift(list, event, true), `A gift, left out: ${event.title}`) }, "that was a gift")))));
}

function showGifts(list) {
  const gifts = giftsIn(list);
  const title = (id) => state.history.find(({ item_id: one }) => one === id)?.title ?? id;
  byId("gifts").hidden = !gifts.length;
  byId("gift-list").replaceChildren(...gifts.map((gift) => make("li", {},
    make("span", {}, title(gift.item_id)), gift.timestamp !== null && make("span", { class: "note" }, ` ${day(gift.timestamp)} `),
    make("button", { type: "button", class: "leave-out", "aria-label": `Not a gift: ${title(gift.item_id)}`,
      onclick: () => change(withGift(list, gift, false), `No gift: ${title(gift.item_id)}`) }, "not a gift"))));
}
