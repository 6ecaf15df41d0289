// Searching the catalogue; every hit can become an event.

import { itemActions } from "./actions.js";
import * as api from "./api.js";
import { byId, make } from "./dom.js";
import { plural } from "./format.js";
import { showProblem } from "./notices.js";
import { watch } from "./state.js";
import { whileTyping } from "./typing.js";

const LIMIT = 14;
let asked = 0;

export function startCatalogue() {
  whileTyping(byId("search"), search);
  // The first person shown brings the catalogue with them; it stays for the next.
  watch(["person"], ({ person }) => {
    if (person !== null && asked === 0) search();
  });
}

async function search() {
  const query = byId("search").value.trim();
  const turn = ++asked;
  try {
    const { items } = await api.items(query, LIMIT);
    if (turn === asked) show(items, query);
  } catch (error) {
    showProblem(error, search);
  }
}

function show(items, query) {
  const more = items.length === LIMIT ? `The first ${LIMIT} items` : plural(items.length, "item");
  byId("found").textContent = items.length
    ? query ? `${more} for “${query}”` : `${more}; search to find others`
    : `Nothing for “${query}”. Try a shorter word.`;
  byId("catalogue").replaceChildren(...items.map((item) =>
    make("li", { class: "item" },
      make("div", { class: "item-text" },
        make("p", { class: "item-title" }, item.title ?? item.item_id),
        make("p", { class: "item-facts" }, [item.brand, ...(item.categories ?? []).slice(-1)].filter(Boolean).join(" · "))),
      itemActions(item))));
}
