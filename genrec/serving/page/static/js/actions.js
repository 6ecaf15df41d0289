// The three things one can do with an item, wherever it stands.

import { compose } from "./composer.js";
import { make } from "./dom.js";
import { post } from "./session.js";

/** Buttons that post an event of this item for the chosen person. */
export function itemActions(item) {
  const title = item.title ?? item.item_id;
  const button = (label, spoken, act) => {
    const node = make("button", { type: "button", class: "button small", "aria-label": `${label}: ${spoken}` }, label);
    node.addEventListener("click", async () => {
      if (node.getAttribute("aria-disabled") === "true") return; // a double click is one event
      node.setAttribute("aria-disabled", "true");
      await act();
      node.removeAttribute("aria-disabled");
    });
    return node;
  };
  return make("div", { class: "actions" },
    button("View", title, () => post({ item_id: item.item_id, event_type: "view" }, `viewed ${title}`)),
    button("Buy", title, () => post({ item_id: item.item_id, event_type: "purchase" }, `bought ${title}`)),
    button("Review", title, () => compose(item)));
}
