// The API key, asked for when the gateway answers 401; it stays in this tab's session.

import { byId, prepareDialog } from "./dom.js";

const NAME = "genrec.key";
let waiting = null;

export const currentKey = () => sessionStorage.getItem(NAME);

/** Ask for a key; calls refused together share one question. Resolves to false if it is declined. */
export function askForKey() {
  waiting ??= new Promise((resolve) => {
    const dialog = byId("key");
    const refused = currentKey() !== null;
    byId("key-note").textContent = refused
      ? "That key was refused; check it and enter it again."
      : "Kept in this tab only, until it is closed.";
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

export function startKey() {
  prepareDialog(byId("key"), () => {
    sessionStorage.setItem(NAME, byId("key-value").value.trim());
    byId("key").close("given");
  });
}
