// What the page knows, once. Parts subscribe to the fields they show.

const fields = {
  person: null, // user ID, or null before one is chosen
  history: [], // events, oldest first
  recommendations: null, // answer of /v1/recommend
  before: null, // Map of item ID to rank, of the same person's last answer
  interests: null, // answer of /v1/interests
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
