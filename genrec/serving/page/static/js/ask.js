// Asking in words: the wish goes with the question for items, and stays until it is taken back.

import { byId } from "./dom.js";
import { ask } from "./session.js";
import { watch } from "./state.js";

export function startAsk() {
  byId("ask").addEventListener("submit", async (event) => {
    event.preventDefault();
    // An empty or endless wish is sent too: the gateway says what is wrong with it.
    show(await ask({ wish: byId("wish").value }));
  });
  byId("forget-wish").addEventListener("click", async () => {
    byId("wish").value = "";
    byId("wish").focus();
    show(await ask({ wish: null }));
  });
  watch(["person"], () => {
    byId("wish").value = "";
    show(null);
  });
  watch(["asked", "recommendations"], ({ asked }) => {
    byId("asked").hidden = asked.wish === null;
    byId("asked-words").textContent = asked.wish ?? "";
  });
}

function show(refusal) {
  const line = byId("wish-problem");
  line.textContent = refusal ? [refusal.message, refusal.remedy].filter(Boolean).join(" ") : "";
  byId("wish").setAttribute("aria-invalid", String(refusal !== null));
}
