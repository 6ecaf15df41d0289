// A colour for each interest, kept for as long as the same person is shown.

export const SLOTS = 8;
const slots = new Map();

/** Forget the colours of the last person. */
export const clearColours = () => slots.clear();

/** Give the strongest names a colour each; names that have one keep it. */
export function assignColours(names) {
  const wanted = names.slice(0, SLOTS);
  for (const name of [...slots.keys()]) if (!wanted.includes(name)) slots.delete(name);
  const taken = new Set(slots.values());
  for (const name of wanted) {
    if (slots.has(name)) continue;
    const free = [...Array(SLOTS).keys()].find((slot) => !taken.has(slot));
    slots.set(name, free);
    taken.add(free);
  }
}

/** Class that sets --hue: "hue-0" … "hue-7", or "hue-none". */
export const hueOf = (name) => (slots.has(name) ? `hue-${slots.get(name)}` : "hue-none");
