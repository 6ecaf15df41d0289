// One line for what went wrong, one for screen readers about what changed.

import { byId, make } from "./dom.js";

/** Say what went wrong and what to do; `again` is offered as a button. */
export function showProblem(error, again) {
  const words = [error.message, error.remedy].filter(Boolean).join(" ");
  const actions = [make("button", { type: "button", class: "button small", onclick: clearProblem }, "Dismiss")];
  if (again) {
    const retry = () => {
      clearProblem();
      again();
    };
    actions.unshift(make("button", { type: "button", class: "button small", onclick: retry }, "Try again"));
  }
  byId("problem").replaceChildren(make("p", {}, words), make("div", { class: "problem-actions" }, ...actions));
}

export function clearProblem() {
  const line = byId("problem");
  const held = line.contains(document.activeElement);
  line.replaceChildren();
  if (held) byId("main").focus();
}

/** Tell screen readers what changed. */
export function announce(words) {
  byId("news").textContent = words;
}
