// The list without filters and rules beside the one with them: what moved, what left.

import { byId, make, unseen } from "./dom.js";
import { percent } from "./format.js";
import { watch } from "./state.js";

export function startSideBySide() {
  watch(["recommendations", "plain"], show);
}

function show({ recommendations, plain }) {
  const compares = plain !== null && recommendations !== null;
  byId("recommendations-panel").classList.toggle("compares", compares);
  byId("without").hidden = !compares;
  byId("with-title").hidden = !compares;
  if (!compares) return byId("plain").replaceChildren();
  const ranks = new Map(recommendations.items.map(({ item_id: id, rank }) => [id, rank]));
  const left = plain.items.filter(({ item_id: id }) => !ranks.has(id)).length;
  const came = recommendations.items.length - (plain.items.length - left);
  const fewer = recommendations.items.length < plain.items.length ? `Fewer than ${plain.items.length} are left, so ${recommendations.items.length} were asked for. ` : "";
  byId("side-note").textContent = `${fewer}${left} left the list, ${came} came.`;
  byId("plain").replaceChildren(...plain.items.map((item) => row(item, ranks.get(item.item_id))));
}

function row({ item_id: id, title, rank, score }, now) {
  const mark = now === undefined ? ["left", "left"] : now === rank ? ["stays", ""] : ["moves", `→ ${now}`];
  return make("li", { class: `item plain-item ${mark[0]}`, "data-item": id },
    make("p", { class: "item-title" }, make("span", { class: "rank" }, String(rank)), title ?? id),
    make("span", { class: "value" }, unseen("chance "), percent(Math.exp(score))),
    make("span", { class: "mark" }, mark[1] && (now === undefined ? "" : unseen("now at rank ")), mark[1]));
}
