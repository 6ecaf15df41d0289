// A table of figures: heads and rows in, a table out.

import { make } from "../dom.js";

/** A head that is empty is no header; all but the first stand to the right. */
export function table(heads, rows, caption = null) {
  const head = heads.map((text, place) => (text ? make("th", { scope: "col", class: place ? "number" : null }, text) : make("td")));
  return make("table", {}, caption && make("caption", { class: "unseen" }, caption), make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
}

/** A row: what it is of, then its figures. */
export const row = (name, cells) => make("tr", {}, make("th", { scope: "row" }, name), ...cells.map((cell) => (cell instanceof Node ? cell : make("td", { class: "number" }, cell))));
