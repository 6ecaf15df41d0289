// Numbers and times as people read them.

const DAY_S = 86400;
const dayFormat = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const monthFormat = new Intl.DateTimeFormat("en-GB", { month: "short", year: "numeric" });
const timeFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

const date = (timestamp) => new Date(timestamp * 1000);
export const day = (timestamp) => dayFormat.format(date(timestamp));
export const month = (timestamp) => monthFormat.format(date(timestamp));
export const time = (timestamp) => timeFormat.format(date(timestamp));
export const machineTime = (timestamp) => date(timestamp).toISOString();

/** Share as a percentage: "27%", "3.1%", "<0.1%". */
export function percent(share) {
  const value = share * 100;
  if (value > 0 && value < 0.1) return "<0.1%";
  return `${value >= 9.95 || value === 0 ? Math.round(value) : value.toFixed(1)}%`;
}

/** Log-probability with a true minus sign. */
export const logProbability = (score) => score.toFixed(2).replace("-", "−");

export const milliseconds = (ms) => (ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`);

export const plural = (count, noun) => `${count.toLocaleString("en-GB")} ${noun}${count === 1 ? "" : "s"}`;

/** Time that passed between two events, in words; empty below a day. */
export function gap(earlier, later) {
  const days = (later - earlier) / DAY_S;
  if (days < 1) return "";
  if (days < 14) return `${plural(Math.round(days), "day")} later`;
  if (days < 60) return `${plural(Math.round(days / 7), "week")} later`;
  if (days < 700) return `${plural(Math.round(days / 30.4), "month")} later`;
  return `${plural(Math.round(days / 365), "year")} later`;
}
