// The question for items as things stand, as the gateway takes it: of whom, what is supposed, what is
// looked for, and what is chosen.

import { state } from "./state.js";

/** Whom it is about; somebody without events is unknown to the gateway: an empty history then. */
export const subject = () => (state.history.length ? { user_id: state.person } : { events: [] });

/** What is supposed and looked for. */
export const plainly = () => ({ ...supposed(), ...(state.asked.wish !== null && { query: state.asked.wish }) });

/** The filters that are chosen; empty where none is. */
export function filtered() {
  const { filters } = state.asked;
  return Object.keys(filters).length ? { filters } : {};
}

/** The filters and rules that are chosen, or null where none is. */
export function chosen() {
  const { rules } = state.asked;
  const all = { ...filtered(), ...(rules.length && { rules }) };
  return Object.keys(all).length ? all : null;
}

function supposed() {
  const { asOf, without, interestBias } = state.whatIf;
  const turns = Object.entries(interestBias).map(([interest, strength]) => ({ interest, strength }));
  return { ...(asOf !== null && { as_of: asOf }), ...(without.length && { without }), ...(turns.length && { interest_bias: turns }) };
}
