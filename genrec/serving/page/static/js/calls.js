// A log of the page's own calls: route, status, time.

import { onCall } from "./api.js";
import { byId, make, measure } from "./dom.js";
import { milliseconds } from "./format.js";

const KEPT = 40;
const IN_STRIP = 3;
const FULL_BAR_MS = 500;

export function startCalls() {
  onCall((call) => {
    const status = call.status || "no answer";
    const name = `${call.method} /${call.route}`;
    showInStrip(`${name.split("?")[0]} · ${status} · ${milliseconds(call.ms)}`);
    const bar = measure(make("span", { class: "bar-fill" }), "--share", Math.min(1, call.ms / FULL_BAR_MS));
    const good = call.status >= 200 && call.status < 300;
    byId("calls").prepend(make("tr", {},
      make("th", { scope: "row" }, name),
      make("td", { class: good ? "status" : "status bad" }, String(status)),
      make("td", { class: "number" }, call.engineMs === null ? "" : milliseconds(call.engineMs)),
      make("td", { class: "number" }, milliseconds(call.ms)),
      make("td", { class: "bar-cell" }, make("span", { class: "bar-track" }, bar))));
    while (byId("calls").children.length > KEPT) byId("calls").lastChild.remove();
  });
}

/** The strip at the foot of the page shows the newest calls without being opened. */
function showInStrip(words) {
  const strip = byId("last-calls");
  const earlier = [...strip.querySelectorAll("span")].slice(0, IN_STRIP - 1);
  strip.replaceChildren(make("span", {}, words), ...earlier);
}
