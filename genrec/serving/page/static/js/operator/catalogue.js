// The catalogue: found, edited, retired and brought back.

import * as api from "../api.js";
import { byId, make } from "../dom.js";
import { plural } from "../format.js";
import { announce } from "../notices.js";
import { whileTyping } from "../typing.js";
import { attempt } from "./attempt.js";
import { edit, startEditor } from "./editor.js";

const LIMIT = 24;
let asked = 0;

export function startCatalogue() {
  whileTyping(byId("search"), search);
  byId("retired-too").addEventListener("change", search);
  byId("item-search").addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
  startEditor();
  search();
}

function search() {
  const query = byId("search").value.trim();
  const turn = ++asked;
  return attempt(async () => {
    const { items } = await api.allItems(query, LIMIT, byId("retired-too").checked);
    if (turn !== asked) return;
    const more = items.length === LIMIT ? `The first ${LIMIT} items` : plural(items.length, "item");
    byId("found").textContent = items.length ? (query ? `${more} for “${query}”` : more) : `Nothing for “${query}”. Try a shorter word.`;
    byId("items").replaceChildren(...items.map(row));
  }, search);
}

function row(item) {
  const facts = [item.item_id, item.brand, ...item.categories.slice(-1)].filter(Boolean).join(" · ");
  const button = (label, act) => make("button", { type: "button", class: "button small", "aria-label": `${label}: ${item.title}`, onclick: act }, label);
  const node = make("li", { class: item.retired ? "item retired" : "item", "data-item": item.item_id },
    make("div", { class: "item-text" },
      make("p", { class: "item-title" }, item.title, item.retired && make("span", { class: "tag" }, "retired")),
      make("p", { class: "item-facts" }, facts)),
    make("div", { class: "actions" },
      button("Edit", () => attempt(async () => edit(await api.item(item.item_id), (changed) => replace(node, changed)))),
      item.retired
        ? button("Bring back", () => change(node, item, () => api.changeItem(item.item_id, { retired: false }), `${item.title} is recommended again.`))
        : button("Retire", () => change(node, item, () => api.retireItem(item.item_id), `${item.title} is retired; histories keep it.`))));
  return node;
}

async function change(node, item, act, words) {
  const done = await attempt(async () => {
    await act();
    replace(node, { ...item, retired: !item.retired });
  });
  if (done) announce(words);
}

/** Show an item as it is now, the keyboard where it was. */
function replace(node, item) {
  const buttons = [...node.querySelectorAll("button")];
  const place = Math.max(0, buttons.indexOf(document.activeElement));
  const fresh = row(item);
  node.replaceWith(fresh);
  fresh.querySelectorAll("button")[place].focus({ preventScroll: true });
}
