// What is served, the journal of decisions that led there, and the way back.

import * as api from "../api.js";
import { byId, make, prepareDialog } from "../dom.js";
import { day, machineTime, time } from "../format.js";
import { announce } from "../notices.js";
import { attempt } from "./attempt.js";

const LIMIT = 100;
const AS_TRAINED = "the run as it was trained";

export function startModel() {
  byId("roll-back").addEventListener("click", () => byId("rolling-back").showModal());
  prepareDialog(byId("rolling-back"), async () => {
    byId("rolling-back").close();
    const done = await attempt(async () => {
      const decision = await api.rollBack();
      announce(`Rolled back: ${nameOf(decision)} is served.`);
    });
    if (done) await load();
    byId("model-title").focus();
  });
  load();
}

const load = () => attempt(async () => show(...(await Promise.all([api.promotions(LIMIT), api.adapters()]))));

const nameOf = ({ path }) => path ?? AS_TRAINED;

function show({ serving, fault, decisions }, { adapters, adapter }) {
  byId("serving").textContent = serving ? nameOf(serving) : AS_TRAINED;
  const since = serving && `${serving.decision} on ${day(serving.time)}, ${time(serving.time)}, by ${serving.who}: ${serving.reason}`;
  const loaded = `This gateway uses ${adapter === null ? "the base alone" : `the adapter ${adapter}`}; loaded: ${adapters.join(", ") || "none"}.`;
  byId("serving-facts").textContent = [since, loaded].filter(Boolean).join(" · ");
  byId("serving-fault").textContent = fault ? `This gateway cannot serve that and still serves what it did before: ${fault}` : "";
  byId("roll-back").hidden = serving === null;
  byId("rolling-back-words").textContent = `Every gateway of this store stops serving ${serving ? nameOf(serving) : AS_TRAINED} and serves what it did before the last promotion. No request fails meanwhile.`;
  byId("decisions").replaceChildren(...decisions.map(row));
  if (!decisions.length) byId("decisions").append(make("li", { class: "empty" }, "None yet: genrec update and POST /v1/promotions write them."));
}

function row(decision) {
  const { decision: verdict, time: when, who, reason, figures } = decision;
  return make("li", { class: "decision", "data-verdict": verdict },
    make("span", { class: "verdict" }, verdict),
    make("div", {},
      make("p", { class: "decision-what" }, verdict === "nothing new" ? "no adapter was trained" : nameOf(decision)),
      make("p", { class: "note" }, make("time", { datetime: machineTime(when) }, `${day(when)}, ${time(when)}`), ` · ${who}${reason ? ` · ${reason}` : ""}`),
      Object.keys(figures).length > 0 && make("details", {}, make("summary", { class: "note" }, "Figures"), figureList(figures))));
}

const figureList = (figures) => make("dl", { class: "figure-list" }, ...Object.entries(figures).map(([name, value]) =>
  make("div", {}, make("dt", {}, name), make("dd", {}, isPlain(value) ? figureList(value) : write(value)))));

const isPlain = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

function write(value) {
  if (Array.isArray(value)) return value.map(write).join(", ");
  if (value === null) return "none";
  return typeof value === "number" && !Number.isInteger(value) ? value.toPrecision(4) : String(value);
}
