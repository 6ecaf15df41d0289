// The API key, asked for when the gateway answers 401.

import { byId, prepareDialog } from "./dom.js";

const NAME = "genrec.key";
let held = null;
let where = "";
let waiting = null;

export const currentKey = () => held;

/** Ask for a key; calls refused together share one question. Resolves to false if it is declined. */
export function askForKey() {
  waiting ??= new Promise((resolve) => {
    const dialog = byId("key");
    byId("key-note").textContent = held === null ? where : "That key was refused; check it and enter it again.";
    byId("key-value").value = "";
    dialog.returnValue = "";
    dialog.addEventListener("close", () => {
      waiting = null;
      resolve(dialog.returnValue === "given");
    }, { once: true });
    dialog.showModal();
  });
  return waiting;
}

/** Let a key be entered; it lasts as long as the tab where `lasts`, else as long as the page. */
export function startKey({ lasts }) {
  where = lasts ? "Kept in this tab only, until it is closed." : "Kept in memory only, until this page is left.";
  if (lasts) held = sessionStorage.getItem(NAME);
  prepareDialog(byId("key"), () => {
    held = byId("key-value").value.trim();
    if (lasts) sessionStorage.setItem(NAME, held);
    byId("key").close("given");
  });
}
