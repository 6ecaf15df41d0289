// Chips for filters and rules. What can be chosen is asked of the gateway when it is first wanted.

import * as api from "./api.js";
import { byId, make } from "./dom.js";
import { plural } from "./format.js";
import { showProblem } from "./notices.js";
import { ask } from "./session.js";
import { NOTHING_ASKED, state, watch } from "./state.js";

const CHIPS = 12; // values of an attribute that have a chip
const VALUES = 200; // values that can be typed
let chips = []; // how to show whether each is chosen

export function startSteer() {
  byId("steer").addEventListener("toggle", () => {
    if (byId("steer").open && !byId("steer-choices").children.length) load();
  });
  byId("no-steering").addEventListener("click", () => {
    byId("steer").querySelector("summary").focus();
    choose(NOTHING_ASKED.filters, NOTHING_ASKED.rules);
  });
  watch(["asked", "person"], ({ asked }) => {
    for (const show of chips) show();
    const chosen = [...Object.entries(asked.filters).map(([name, condition]) => `${name} ${inWords(condition)}`), ...asked.rules];
    byId("steer-note").textContent = chosen.join(" · ");
    byId("no-steering").hidden = !chosen.length;
    byId("steer-problem").textContent = "";
  });
}

async function load() {
  try {
    const [{ attributes }, { rules }] = await Promise.all([api.attributes(VALUES), api.rules()]);
    chips = [];
    byId("steer-choices").replaceChildren(
      ...attributes.filter(canBeChosen).map((one) => (one.kind === "numbers" ? range(one) : values(one))),
      group("Rules", ruleChips(rules)));
    for (const show of chips) show();
  } catch (error) {
    if (!(error instanceof api.ApiError)) throw error;
    byId("steer").open = false;
    showProblem(error, load);
  }
}

/** What nearly every item has for itself says nothing about others. */
const canBeChosen = ({ kind, num_values: values, num_items: items }) => kind === "numbers" || (values > 1 && (values <= CHIPS || 2 * values <= items));

async function choose(filters, rules) {
  const refusal = await ask({ filters, rules });
  if (refusal) byId("steer-problem").textContent = [refusal.message, refusal.remedy].filter(Boolean).join(" ");
}

const setFilter = (name, condition) => {
  const { [name]: _, ...others } = state.asked.filters;
  return choose(condition === null ? others : { ...others, [name]: condition }, state.asked.rules);
};

function group(label, ...children) {
  return make("div", { class: "chip-group", role: "group", "aria-label": label }, make("span", { class: "chip-label", "aria-hidden": "true" }, label), ...children);
}

function chip(label, count, isOn, toggle) {
  const node = make("button", { type: "button", class: "chip", onclick: toggle }, label, count !== null && make("span", { class: "count" }, ` ${count}`));
  chips.push(() => node.setAttribute("aria-pressed", String(isOn())));
  return node;
}

function values({ name, values: found, num_values: numValues }) {
  const chosen = () => state.asked.filters[name]?.any ?? [];
  const toggle = (value) => {
    const without = chosen().filter((one) => one !== value);
    const now = without.length < chosen().length ? without : [...without, value];
    return setFilter(name, now.length ? { any: now } : null);
  };
  const shown = found.slice(0, CHIPS).map(({ value, num_items: count }) => chip(value, count, () => chosen().includes(value), () => toggle(value)));
  if (numValues <= CHIPS) return group(name, ...shown);
  const list = `values-of-${name}`;
  const field = make("input", { class: "chip-field", list, "aria-label": `Another ${name}`, placeholder: `${plural(numValues - CHIPS, "other")} …`, autocomplete: "off" });
  field.addEventListener("change", () => {
    if (field.value && !chosen().includes(field.value)) toggle(field.value);
    field.value = "";
  });
  const others = make("span", { class: "chip-others" });
  const named = new Set(found.slice(0, CHIPS).map(({ value }) => value));
  chips.push(() => others.replaceChildren(...chosen().filter((value) => !named.has(value)).map((value) =>
    make("button", { type: "button", class: "chip", "aria-pressed": "true", onclick: () => toggle(value) }, value))));
  return group(name, ...shown, others, field,
    make("datalist", { id: list }, ...found.slice(CHIPS).map(({ value, num_items: count }) => make("option", { value }, plural(count, "item")))));
}

function range({ name, least, most }) {
  const end = (bound, label, placeholder) => {
    const field = make("input", { type: "number", step: "any", class: "chip-field", "aria-label": `${name}, ${label}`, placeholder: `${label} ${placeholder}` });
    field.addEventListener("change", () => {
      const { [bound]: _, ...others } = state.asked.filters[name] ?? {};
      const now = field.value === "" ? others : { ...others, [bound]: field.valueAsNumber };
      return setFilter(name, Object.keys(now).length ? now : null);
    });
    chips.push(() => {
      field.value = state.asked.filters[name]?.[bound] ?? "";
    });
    return field;
  };
  return group(name, end("gte", "from", least), end("lte", "to", most));
}

function ruleChips(rules) {
  if (!rules.length) return make("span", { class: "note" }, "None are stored; an operator names them (PUT /v1/rules).");
  return rules.map(({ name, rule, always }) => {
    if (always) return make("span", { class: "chip fixed", title: JSON.stringify(rule) }, name, make("span", { class: "count" }, " always"));
    const isOn = () => state.asked.rules.includes(name);
    const node = chip(name, null, isOn, () => choose(state.asked.filters, isOn() ? state.asked.rules.filter((one) => one !== name) : [...state.asked.rules, name]));
    node.title = JSON.stringify(rule);
    return node;
  });
}

function inWords({ any, gte, lte }) {
  if (any) return any.join(" or ");
  return [gte !== undefined && `from ${gte}`, lte !== undefined && `to ${lte}`].filter(Boolean).join(" ");
}
