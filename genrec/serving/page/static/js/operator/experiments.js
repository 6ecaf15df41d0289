// Experiments that rules name: who saw what in which arm, and which arm is better so far.

import * as api from "../api.js";
import { byId, make, measure } from "../dom.js";
import { day, machineTime, percent, time } from "../format.js";
import { attempt } from "./attempt.js";
import { row, table } from "./table.js";

const whole = (count) => count.toLocaleString("en-GB");
const share = (part, of) => (of ? percent(part / of) : "–");
const signed = (number) => `${number < 0 ? "−" : "+"}${percent(Math.abs(number))}`;
const METRICS = { "clicks/shown": "Clicked", "conversions/shown": "Converted", "dislikes/shown:lower": "Disliked" };
const STATES = { better: "good", kept: "good", worse: "bad", harmed: "bad", open: "" };

export function startExperiments() {
  byId("look-again").addEventListener("click", load);
  load();
}

const load = () => attempt(async () => {
  byId("experiments").setAttribute("aria-busy", "true");
  const { experiments } = await api.experiments().finally(() => byId("experiments").setAttribute("aria-busy", "false"));
  byId("trials").replaceChildren(...experiments.map(trial));
  if (!experiments.length) byId("trials").append(make("li", { class: "empty" }, "None yet: a rule that names an arm begins one."));
}, load);

function trial(one) {
  const { name, rules, began, ended, since, arms, interleaved, result, preference, fault, faults, control } = one;
  const moment = (at) => make("time", { datetime: machineTime(at) }, `${day(at)}, ${time(at)}`);
  const facts = ["since ", moment(began), ended && [" until ", moment(ended)], ` · ${rules.length === 1 ? "rule" : "rules"} ${rules.join(", ")}`, since > began && [" · counted from ", moment(since)]];
  return make("li", { class: "trial" },
    make("div", { class: "trial-head" },
      make("h3", { class: "trial-name" }, name, make("span", { class: "tag" }, ended ? "ended" : "running"), interleaved && make("span", { class: "tag" }, "interleaved")),
      make("p", { class: "note" }, ...facts.flat())),
    make("p", { class: result && isMismatch(result) ? "outcome fault" : "outcome" }, (result ?? preference)?.verdict ?? fault),
    ...faults.map((words) => make("p", { class: "fault" }, words)),
    make("div", { class: "scroll", role: "region", "aria-label": `Arms of ${name}`, tabindex: 0 },
      table(["Arm", "Of users", "Users", "Pages", "Clicked", "Converted", "Disliked"], arms.map((arm) => armRow(arm, control)), `Arms of ${name}`)),
    result && comparison(one),
    preference && preferred(one),
    result && make("p", { class: isMismatch(result) ? "fault" : "note" }, ratioWords(result)));
}

const isMismatch = ({ sample_ratio_p: p }) => p < 0.01;

const armRow = ({ arm, share: meant, users, pages, shown, clicks, conversions, dislikes }, control) => row(
  make("span", {}, arm, arm === control && make("span", { class: "note" }, " control"), !meant && make("span", { class: "note" }, " dropped")),
  [percent(meant), whole(users), whole(pages), share(clicks, shown), share(conversions, shown), share(dislikes, shown)]);

/** Every difference from the control on one scale, 0 in the middle. */
function comparison({ name, control, result }) {
  const all = [...result.differences, ...result.guardrails];
  const ends = all.flatMap(({ low, high, control_mean: base }) => (low === null || !base ? [] : [Math.abs(low / base), Math.abs(high / base)]));
  const widest = Math.min(Math.max(...ends, 0.05), 2);
  const rows = [...result.differences.map((one) => differenceRow(one, one.standing, widest)), ...result.guardrails.map((one) => differenceRow(one, one.guard, widest, "guardrail"))];
  const level = percent(1 - result.alpha);
  return make("div", { class: "scroll", role: "region", "aria-label": `Differences of ${name}`, tabindex: 0 },
    table(["Against " + control, control, "Arm’s", "Lift", `${level} interval`, "", "So far"], rows, `Differences of ${name}`));
}

/** Whose items users take from mixed lists: the control's at the left end, the challenger's at the right. */
function preferred({ name, control, arms, preference: { value, low, high, winner, num_lists: lists, num_users: users } }) {
  const challenger = arms.find(({ arm }) => arm !== control).arm;
  const isKnown = low !== null;
  const state = winner === null ? "open" : winner === control ? "worse" : "better";
  const words = isKnown ? `${credit(low)} to ${credit(high)}` : "too few users yet";
  const cells = [whole(lists), whole(users), credit(value), words,
    make("td", { class: "interval-cell" }, isKnown && interval(low, high, value, 1, STATES[state])),
    make("td", { class: "number" }, make("span", { class: `state ${STATES[state]}` }, state))];
  return make("div", {},
    make("div", { class: "scroll", role: "region", "aria-label": `Preference of ${name}`, tabindex: 0 },
      table(["Against " + control, "Lists", "Users", "Credit", "95% interval", "", "So far"], [row(make("span", {}, challenger), cells)], `Preference of ${name}`)),
    make("p", { class: "note" }, `Credit is 1 if more of ${challenger}’s items are clicked on every list, −1 if of ${control}’s; the interval holds at every look.`));
}

const credit = (number) => `${number < 0 ? "−" : "+"}${Math.abs(number).toFixed(3)}`;

function differenceRow({ metric, arm, control_mean: base, arm_mean: mean, lift, low, high }, state, widest, kind = null) {
  const isKnown = low !== null && base > 0;
  const words = isKnown ? `${signed(low / base)} to ${signed(high / base)}` : "too few users yet";
  return row(make("span", {}, `${METRICS[metric] ?? metric}, ${arm}`, kind && make("span", { class: "note" }, ` ${kind}`)),
    [percent(base), percent(mean), lift === null ? "–" : signed(lift), words,
      make("td", { class: "interval-cell" }, isKnown && interval(low / base, high / base, lift, widest, STATES[state])),
      make("td", { class: "number" }, make("span", { class: `state ${STATES[state]}` }, state))]);
}

function interval(low, high, at, widest, state) {
  const place = (value) => Math.min(Math.max((value / widest + 1) / 2, 0), 1);
  const bar = make("span", { class: `interval ${state}`, "aria-hidden": "true" }, make("span", { class: "interval-span" }), make("span", { class: "interval-point" }));
  for (const [name, value] of [["--low", low], ["--high", high], ["--at", at]]) measure(bar, name, place(value));
  return bar;
}

function ratioWords(result) {
  const { sample_ratio_p: p, crossed_users: crossed, dropped_users: dropped } = result;
  const check = isMismatch(result) ? `Sample ratio: users do not fall into the arms as assigned (p = ${p.toPrecision(1)}).` : `Sample ratio: as assigned (p = ${p.toFixed(2)}).`;
  const left = crossed + dropped ? ` Left out: ${whole(crossed)} seen in several arms, ${whole(dropped)} of dropped arms.` : "";
  return `Lift and interval are shares of the control’s; intervals hold at every look. ${check}${left}`;
}
