// What a person at the page does: choose someone, post an event, forget someone.

import * as api from "./api.js";
import { announce, clearProblem, showProblem } from "./notices.js";
import { clearColours } from "./palette.js";
import { chosen, filtered, plainly, subject } from "./question.js";
import { AS_IT_IS, isSupposed, NOTHING_ASKED, state, update } from "./state.js";

const K = 10;
const FEWER = [5, 2, 1]; // where filters or rules leave no ten
const NOBODY = { history: [], recommendations: null, before: null, plain: null, interests: null, preferences: null, whatIf: AS_IT_IS, asked: NOTHING_ASKED };
const IN_ADDRESS = "person";
let latest = 0; // answers to older questions are thrown away
let latestItems = 0;

/** Show a person; one who is `fresh` is known to have no events yet. */
export async function choose(person, fresh = false) {
  clearColours();
  clearProblem();
  history.replaceState(null, "", `#${new URLSearchParams({ [IN_ADDRESS]: person })}`);
  update({ ...NOBODY, person });
  await refresh({ fresh });
}

/** The person named in the address, if any. */
export const personInAddress = () => new URLSearchParams(location.hash.slice(1)).get(IN_ADDRESS);

/** Post one event of the chosen person, then ask everything anew. Resolves to whether it was kept. */
export async function post(event, title) {
  const { person } = state;
  const stored = { event_id: newEventId(), user_id: person, timestamp: Math.floor(Date.now() / 1000), ...event };
  update({ busy: true });
  // Trying again sends the same event ID, so an event that did arrive is not stored twice.
  if (!(await attempt(() => api.postEvent(stored), () => post(stored, title)))) {
    update({ busy: false });
    return false;
  }
  clearProblem();
  if (state.person === person) await refresh({ posted: title });
  return true;
}

/** Delete what is stored of the chosen person. Resolves to whether it was done. */
export async function forget() {
  const { person } = state;
  if (!(await attempt(() => api.forget(person), forget))) return false;
  history.replaceState(null, "", location.pathname);
  update({ ...NOBODY, person: null });
  announce(`${person} is forgotten.`);
  return true;
}

async function refresh({ posted = null, said = null, fresh = false } = {}) {
  const { person } = state;
  const turn = ++latest;
  update({ busy: true });
  await attempt(async () => {
    const events = fresh ? Promise.resolve([]) : eventsOf(person);
    // Somebody without events is unknown to the gateway: ask for an empty history instead.
    const known = posted !== null || (await events).length > 0;
    const who = known ? { user_id: person } : { events: [] };
    const reading = events.then((history) => turn === latest && update({ history }));
    await Promise.all([
      reading,
      askItems(who, reading),
      api.interests(who).then(async (answer) => {
        await reading;
        if (turn === latest) update({ interests: answer });
      }),
      known && api.preferences(person).then(async (answer) => {
        await reading;
        if (turn === latest) update({ preferences: answer });
      }),
    ]);
    if (turn === latest) announce(news(posted, said));
  }, () => refresh());
  if (turn === latest) update({ busy: false });
}

/** Ask for items as things are supposed to be; `reading` is waited for before they are shown. */
async function askItems(who, reading) {
  const turn = ++latestItems;
  const { person, recommendations } = state;
  const body = { ...who, ...plainly() };
  const steered = chosen();
  const [answer, plain] = await Promise.all([
    steered ? asMany({ ...body, ...steered }) : api.recommend(body, K),
    steered && api.recommend(body, K),
    reading,
  ]);
  if (turn !== latestItems || state.person !== person) return;
  const before = recommendations && new Map(recommendations.items.map((item) => [item.item_id, item.rank]));
  update({ recommendations: answer, before, plain });
}

/** Ask for fewer items where filters and rules leave no ten. */
async function asMany(body) {
  for (const k of [K, ...FEWER]) {
    try {
      return await api.recommend(body, k);
    } catch (error) {
      if (error.code !== "too_few_items" || k === FEWER.at(-1)) throw error;
    }
  }
}

/**
 * Ask for items by a wish, under filters or rules. Where the gateway refuses, all stays as it was.
 * Resolves to the refusal, or null.
 */
export async function ask(changes) {
  const { asked: earlier, person } = state;
  update({ asked: { ...earlier, ...changes }, busy: true });
  let refusal = null;
  const asking = askItems(subject());
  const turn = latestItems;
  try {
    await asking;
  } catch (error) {
    if (!(error instanceof api.ApiError)) throw error;
    refusal = error;
    if (turn === latestItems && state.person === person) update({ asked: earlier });
  }
  update({ busy: false });
  const first = state.recommendations?.items[0];
  if (!refusal && first) announce(`${state.asked.wish === null ? "" : `For “${state.asked.wish}”: `}first ${first.title ?? first.item_id}.`);
  return refusal;
}

/**
 * Store what the person says of their profile, then ask everything anew; `again` is offered where
 * that fails. Resolves to whether it was done.
 */
export async function say(preferences, words, again) {
  const { person } = state;
  update({ busy: true });
  const store = () => (preferences.length ? api.putPreferences(person, preferences) : api.deletePreferences(person));
  const done = await attempt(store, again);
  if (!done) update({ busy: false });
  else if (state.person === person) await refresh({ said: words });
  return done;
}

/** Suppose something else, and ask for items again; unless `asks` it is only shown. */
export async function suppose(changes, asks = true) {
  update({ whatIf: { ...state.whatIf, ...changes } });
  if (!asks) return;
  update({ busy: true });
  await attempt(() => askItems(subject()), () => suppose({}));
  update({ busy: false });
  const first = state.recommendations?.items[0];
  if (first) announce(`${isSupposed(state.whatIf) ? "If it were so" : "As it is"}: first ${first.title ?? first.item_id}.`);
}

/** Why an item, as things are supposed to be; null where the gateway cannot say. */
export async function explain(item) {
  let found = null;
  await attempt(async () => {
    found = await api.explain({ ...subject(), ...plainly(), ...filtered() }, item);
  });
  return found;
}

async function eventsOf(person) {
  try {
    return (await api.user(person)).events;
  } catch (error) {
    if (error.code === "unknown_user") return [];
    throw error;
  }
}

function news(posted, said) {
  const first = state.recommendations.items[0];
  const next = first ? `First recommendation: ${first.title ?? first.item_id}.` : "Nothing left to recommend.";
  if (said) return `${said}. ${next}`;
  return posted ? `Event kept: ${posted}. ${next}` : `${state.person}, ${state.history.length} events. ${next}`;
}

/** Do it, or say why not; resolves to whether it worked. */
async function attempt(task, again) {
  try {
    await task();
    return true;
  } catch (error) {
    if (!(error instanceof api.ApiError)) throw error;
    showProblem(error, again);
    return false;
  }
}

function newEventId() {
  // crypto.randomUUID exists on https and localhost only; a phone may come over plain http.
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
