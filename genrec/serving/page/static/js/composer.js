// The dialog for an event with a rating or a review.

import { byId, prepareDialog } from "./dom.js";
import { post } from "./session.js";

let chosen = null;

export function startComposer() {
  prepareDialog(byId("composer"), () => {
    const form = new FormData(byId("composer-form"));
    const event = { item_id: chosen.item_id, event_type: form.get("kind") };
    const review = byId("composer-review").value.trim();
    if (form.get("rating")) event.rating = Number(form.get("rating"));
    if (review) event.review = review;
    byId("composer").close();
    post(event, `${form.get("kind") === "view" ? "viewed" : "bought"} ${chosen.title ?? chosen.item_id}`);
  });
}

/** Ask what happened with an item, then post it. */
export function compose(item) {
  chosen = item;
  byId("composer-form").reset();
  byId("composer-title").textContent = item.title ?? item.item_id;
  byId("composer").showModal();
}
