// Which interest an item of the history belongs to, as far as the answers tell.

/**
 * The interest each item fed: the one it is evidence of, else the one whose weight rose when it
 * was met.
 * @returns {Map<string, string>} Item ID to the interest's name.
 */
export function interestOfItems(history, interests) {
  const found = new Map();
  if (!interests) return found;
  const { timestamps, series } = interests.timeline;
  if (timestamps.length === history.length) {
    for (const [at, event] of history.entries()) {
      const rises = series.map(({ weights }) => weights[at] - (weights[at - 1] ?? 0));
      const most = Math.max(...rises);
      if (most > 0) found.set(event.item_id, series[rises.indexOf(most)].name);
    }
  }
  for (const { name, events } of interests.interests) for (const event of events) found.set(event.item_id, name);
  return found;
}
