// The list of a person's preferences, changed: each function returns another list.

const isAbout = (preference, { name, prefix }) => {
  const about = preference.more ?? preference.less ?? preference.never ?? preference.pin;
  if (typeof about === "string") return about.toLowerCase() === name.toLowerCase();
  if (Array.isArray(about)) return JSON.stringify(about) === JSON.stringify(prefix);
  // Of a filter's items the gateway writes the filter where interests have a name.
  return about !== undefined && prefix === null && JSON.stringify(about) === JSON.stringify(JSON.parse(name));
};

/** What the list itself says of an interest: "more", "less", "never", "pin" or null. */
export function wantOf(list, interest) {
  const found = list.find((preference) => isAbout(preference, interest));
  return found ? Object.keys(found).find((key) => key !== "by") : null;
}

/** Say one thing of an interest in place of what was said; null takes it back. */
export function withWant(list, interest, want) {
  const others = list.filter((preference) => !isAbout(preference, interest));
  // By its name, which outlives another training better than codes do.
  const about = interest.prefix === null ? JSON.parse(interest.name) : interest.name;
  return want === null ? others : [...others, { [want]: about }];
}

const isGift = ({ gift }, { item_id: id, timestamp }) => gift === id || (gift?.item_id === id && gift.timestamp === timestamp);

/** Leave one event out, or with `given` false read it again. */
export function withGift(list, { item_id: id, timestamp }, given) {
  const others = list.filter((preference) => !isGift(preference, { item_id: id, timestamp }));
  return given ? [...others, { gift: { item_id: id, timestamp } }] : others;
}

/** The gifts of a list, as {item_id, timestamp}; the moment is null where all events are meant. */
export const giftsIn = (list) => list.filter(({ gift }) => gift !== undefined)
  .map(({ gift }) => (typeof gift === "string" ? { item_id: gift, timestamp: null } : gift));
