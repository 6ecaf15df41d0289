// Why an item: what its log-probability loses without each event, asked of the gateway when wanted.

import { byId, make, measure, unseen } from "./dom.js";
import { day, logProbability, plural } from "./format.js";
import { explain } from "./session.js";

const SHOWN = 8;

/** A button that opens and closes the explanation of an item, and the place it opens in. */
export function why(item) {
  const id = `why-${item.rank}`;
  const box = make("div", { id, class: "why", hidden: true });
  const title = item.title ?? item.item_id;
  const button = make("button", { type: "button", class: "button quiet small why-button", "aria-expanded": "false", "aria-controls": id, "aria-label": `Why: ${title}` }, "Why?");
  button.addEventListener("click", async () => {
    const opens = box.hidden;
    box.hidden = !opens;
    button.setAttribute("aria-expanded", String(opens));
    if (!opens || box.children.length) return;
    box.replaceChildren(make("p", { class: "note" }, "Leaving out each event in turn …"));
    const found = await explain(item.item_id);
    if (found) {
      box.replaceChildren(...show(found));
      byId("news").textContent = found.sentence;
    } else {
      box.replaceChildren();
      box.hidden = true;
      button.setAttribute("aria-expanded", "false");
    }
  });
  return [button, box];
}

function show({ sentence, effects, evidence, whole, parts, residual, num_unread: unread, wish }) {
  const strongest = effects.toSorted((one, other) => Math.abs(other.nats) - Math.abs(one.nats)).slice(0, SHOWN);
  const most = Math.max(...strongest.map(({ nats }) => Math.abs(nats)), 0.01);
  const named = new Set(evidence.map(({ event }) => event));
  const rows = strongest.toSorted((one, other) => one.event - other.event).map((effect) => row(effect, most, named));
  const rest = effects.length - strongest.length;
  const more = [rest > 0 && `${plural(rest, "event")} with smaller effects`, unread > 0 && `${plural(unread, "earlier event")} not read any more`];
  const left = more.filter(Boolean).join(" · ");
  return [
    make("p", { class: "why-sentence" }, sentence),
    rows.length > 0 && make("ul", { class: "effects" }, ...rows),
    left && make("p", { class: "note" }, left),
    wish && make("p", { class: "note" },
      `The wish: ${signed(wish.nats)} nats; without ${wish.words.map(({ word, nats }) => `“${word}” ${signed(nats)}`).join(", ")}.`),
    effects.length > 0 && make("p", { class: "note" },
      `The whole history: ${signed(whole)} nats; single events add up to ${signed(parts)}, which leaves ${signed(residual)}.`),
  ].filter(Boolean);
}

function row({ event, title, timestamp, nats }, most, named) {
  const bar = measure(make("span", { class: nats < 0 ? "effect-fill against" : "effect-fill" }), "--share", Math.abs(nats) / most);
  return make("li", { class: named.has(event) ? "effect key" : "effect" },
    make("span", { class: "name" }, title, named.has(event) && unseen(" (named)")),
    make("time", { class: "note" }, day(timestamp)),
    make("span", { class: "effect-track", "aria-hidden": "true" }, bar),
    make("span", { class: "value" }, unseen("effect "), signed(nats), unseen(" nats")));
}

const signed = (nats) => (Math.abs(nats) < 0.005 ? "0.00" : `${nats > 0 ? "+" : ""}${logProbability(nats)}`);
