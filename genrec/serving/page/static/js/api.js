// The gateway's routes as functions, and the time of every call.

import { askForKey, currentKey } from "./key.js";

/** An answer that is not a success, with what to do about it. */
export class ApiError extends Error {
  constructor(status, code, message, remedy) {
    super(message);
    Object.assign(this, { status, code, remedy });
  }
}

const listeners = [];

/** Call `listener` with {method, route, status, ms, engineMs} after every call. */
export const onCall = (listener) => listeners.push(listener);

export const users = (query, limit = 50) => call("GET", `v1/users?${new URLSearchParams({ limit, query })}`);
export const user = (id) => call("GET", `v1/users/${encodeURIComponent(id)}`);
export const forget = (id) => call("DELETE", `v1/users/${encodeURIComponent(id)}`);
export const postEvent = (event) => call("POST", "v1/events", { events: [event] });
export const items = (query, limit) => call("GET", `v1/items?${new URLSearchParams({ limit, query })}`);
// Whoever looks at this page is not the user: nothing counts as shown.
export const recommend = (who, k) =>
  call("POST", "v1/recommend", { ...who, k, explain: true, shown: false });
export const explain = (who, item) => call("POST", "v1/explain", { ...who, item_id: item });
export const attributes = (values) => call("GET", `v1/catalogue/attributes?${new URLSearchParams({ values })}`);
export const rules = () => call("GET", "v1/rules");
const said = (id) => `v1/users/${encodeURIComponent(id)}/preferences`;
export const preferences = (id) => call("GET", said(id));
export const putPreferences = (id, list) => call("PUT", said(id), { preferences: list });
export const deletePreferences = (id) => call("DELETE", said(id));
// What an operator asks.
export const ready = () => call("GET", "ready");
export const metrics = () => call("GET", "metrics");
export const onlineMetrics = (days) => call("GET", `v1/online-metrics?${new URLSearchParams({ days })}`);
export const experiments = () => call("GET", "v1/experiments");
export const adapters = () => call("GET", "v1/adapters");
export const promotions = (limit) => call("GET", `v1/promotions?${new URLSearchParams({ limit })}`);
export const rollBack = () => call("POST", "v1/promotions/rollback");
export const allItems = (query, limit, retired) => call("GET", `v1/items?${new URLSearchParams({ limit, query, retired })}`);
const one = (id) => `v1/items/${encodeURIComponent(id)}`;
export const item = (id) => call("GET", one(id));
export const changeItem = (id, changes) => call("PATCH", one(id), changes);
export const retireItem = (id) => call("DELETE", one(id));
export const interests = (who) => call("POST", "v1/interests", { ...who, top: 5 });

async function call(method, route, body) {
  let response = await send(method, route, body);
  while (response.status === 401 && (await askForKey())) response = await send(method, route, body);
  if (response.ok && response.status !== 204) return response.headers.get("Content-Type").includes("json") ? response.json() : response.text();
  if (response.ok) return null;
  throw await problem(response);
}

async function send(method, route, body) {
  const headers = { Accept: "application/json" };
  if (body) headers["Content-Type"] = "application/json";
  if (currentKey()) headers.Authorization = `Bearer ${currentKey()}`;
  const start = performance.now();
  let response = null;
  try {
    response = await fetch(route, { method, headers, body: body && JSON.stringify(body) });
  } catch {
    throw new ApiError(0, "no_answer", "The gateway does not answer.", "See that it is running, then try again.");
  } finally {
    const ms = performance.now() - start;
    const engineMs = engineTime(response?.headers.get("Server-Timing"));
    for (const listener of listeners) listener({ method, route, status: response?.status ?? 0, ms, engineMs });
  }
  return response;
}

function engineTime(header) {
  const found = /(?:^|,)\s*engine;[^,]*dur=([\d.]+)/.exec(header ?? "");
  return found ? Number(found[1]) : null;
}

async function problem(response) {
  const { status } = response;
  const text = await response.text();
  let error = null;
  try {
    error = JSON.parse(text).error;
  } catch {
    // a proxy's own page, not the gateway's words
  }
  return new ApiError(
    status,
    error?.code ?? "unknown",
    error?.message ?? `The gateway answered ${status}.`,
    remedy(status, response.headers.get("Retry-After")),
  );
}

function remedy(status, retryAfter) {
  const wait = retryAfter ? `in ${retryAfter} s` : "in a moment";
  if (status === 401) return "Try again and enter the key.";
  if (status === 429) return `Too many calls; try again ${wait}.`;
  if (status === 503) return `The engine is away; nothing is lost. Try again ${wait}.`;
  if (status >= 500) return "The gateway’s log says more.";
  return "";
}
