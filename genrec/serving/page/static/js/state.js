// What the page knows, once. Parts subscribe to the fields they show.

/** Nothing supposed: now, with every event, every interest as strong as it is. */
export const AS_IT_IS = Object.freeze({ asOf: null, without: [], interestBias: {} });

export const isSupposed = ({ asOf, without, interestBias }) => asOf !== null || without.length > 0 || Object.keys(interestBias).length > 0;

/** Nothing asked for but what comes next: no wish, no filter, no rule. */
export const NOTHING_ASKED = Object.freeze({ wish: null, filters: {}, rules: [] });

const fields = {
  person: null, // user ID, or null before one is chosen
  history: [], // events, oldest first
  recommendations: null, // answer of /v1/recommend
  before: null, // Map of item ID to rank, of the same person's last answer
  plain: null, // the same answer without filters and rules, where some are chosen
  interests: null, // answer of /v1/interests
  whatIf: AS_IT_IS, // seconds or null; places of events, 0 the oldest; strength by interest
  asked: NOTHING_ASKED, // words or null; condition by attribute; names of rules
  preferences: null, // answer of /v1/users/{id}/preferences; null of somebody without events
  busy: false,
};
const listeners = new Map();

export const state = fields;

/** Call `show` whenever one of `names` changes. */
export function watch(names, show) {
  for (const name of names) {
    if (!(name in fields)) throw new Error(`no field '${name}' in the state`);
    listeners.set(name, [...(listeners.get(name) ?? []), show]);
  }
}

/** Change fields together; each listener runs once. */
export function update(changes) {
  Object.assign(fields, changes);
  const due = new Set(Object.keys(changes).flatMap((name) => listeners.get(name) ?? []));
  for (const show of due) show(fields);
}
