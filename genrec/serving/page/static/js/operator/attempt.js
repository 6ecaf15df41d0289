// Doing what may fail: the gateway's own words, and the way to try again.

import { ApiError } from "../api.js";
import { showProblem } from "../notices.js";

/** Do it, or say why not; resolves to whether it worked. */
export async function attempt(task, again = () => attempt(task)) {
  try {
    await task();
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    showProblem(error, again);
    return false;
  }
}
