// What a person at the page does: choose someone, post an event, forget someone.

import * as api from "./api.js";
import { announce, clearProblem, showProblem } from "./notices.js";
import { clearColours } from "./palette.js";
import { state, update } from "./state.js";

const K = 10;
const IN_ADDRESS = "person";
let latest = 0; // answers to older questions are thrown away

/** Show a person; one who is `fresh` is known to have no events yet. */
export async function choose(person, fresh = false) {
  clearColours();
  clearProblem();
  history.replaceState(null, "", `#${new URLSearchParams({ [IN_ADDRESS]: person })}`);
  update({ person, history: [], recommendations: null, before: null, interests: null });
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
  update({ person: null, history: [], recommendations: null, before: null, interests: null });
  announce(`${person} is forgotten.`);
  return true;
}

async function refresh({ posted = null, fresh = false } = {}) {
  const { person, recommendations } = state;
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
      api.recommend(who, K).then(async (answer) => {
        await reading;
        if (turn !== latest) return;
        const before = recommendations && new Map(recommendations.items.map((item) => [item.item_id, item.rank]));
        update({ recommendations: answer, before });
      }),
      api.interests(who).then(async (answer) => {
        await reading;
        if (turn === latest) update({ interests: answer });
      }),
    ]);
    if (turn === latest) announce(news(posted));
  }, () => refresh());
  if (turn === latest) update({ busy: false });
}

async function eventsOf(person) {
  try {
    return (await api.user(person)).events;
  } catch (error) {
    if (error.code === "unknown_user") return [];
    throw error;
  }
}

function news(posted) {
  const first = state.recommendations.items[0];
  const next = first ? `First recommendation: ${first.title ?? first.item_id}.` : "Nothing left to recommend.";
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
