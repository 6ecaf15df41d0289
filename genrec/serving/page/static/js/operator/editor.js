// The dialog that changes an item's words and when it is recommended.

import * as api from "../api.js";
import { byId, prepareDialog } from "../dom.js";
import { announce } from "../notices.js";

let editing = null;
let done = null;

export function startEditor() {
  prepareDialog(byId("editor"), save);
}

/** Let an item be changed; `onSaved` is given it as it is then. */
export function edit(item, onSaved) {
  editing = item;
  done = onSaved;
  byId("editor-title").textContent = item.title;
  byId("editor-problem").textContent = "";
  for (const [name, text] of Object.entries(written(item))) byId(`edit-${name}`).value = text;
  byId("editor").showModal();
}

const written = (item) => ({
  title: item.title,
  brand: item.brand ?? "",
  categories: item.categories.join("\n"),
  description: item.description ?? "",
  from: localTime(item.available_from),
  until: localTime(item.available_until),
});

async function save() {
  const before = written(editing);
  const changes = {};
  const read = {
    title: (text) => ({ title: text || null }),
    brand: (text) => ({ brand: text || null }),
    categories: (text) => ({ categories: text.split("\n").map((line) => line.trim()).filter(Boolean) }),
    description: (text) => ({ description: text || null }),
    from: (text) => ({ available_from: seconds(text) }),
    until: (text) => ({ available_until: seconds(text) }),
  };
  for (const [name, change] of Object.entries(read)) {
    const text = byId(`edit-${name}`).value.trim();
    if (text !== before[name].trim()) Object.assign(changes, change(text));
  }
  if (!Object.keys(changes).length) return byId("editor").close();
  try {
    const changed = await api.changeItem(editing.item_id, changes);
    byId("editor").close();
    done(changed);
    announce(`${changed.title} is changed.`);
  } catch (error) {
    if (!(error instanceof api.ApiError)) throw error;
    byId("editor-problem").textContent = [error.message, error.remedy].filter(Boolean).join(" ");
  }
}

const seconds = (text) => (text ? Math.floor(new Date(text).getTime() / 1000) : null);

/** As a field of a date and a time wants it: "2026-11-29T10:30", in this browser's time. */
function localTime(timestamp) {
  if (timestamp === null) return "";
  const date = new Date(timestamp * 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
