// Formats times in the browser's time zone, with a 24-hour clock.

const two = (number, digits = 2) => String(number).padStart(digits, "0");
const day = (at) => `${two(at.getMonth() + 1)}-${two(at.getDate())}`;
const minutes = (at) => `${two(at.getHours())}:${two(at.getMinutes())}`;
const seconds = (at) => `${minutes(at)}:${two(at.getSeconds())}`;

export const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

// A line's id is its time in nanoseconds since 1970, as text.
export const milliseconds = (id) => Number(BigInt(id) / 1000000n);

export function clock(id) {
  const at = new Date(milliseconds(id));
  return `${day(at)} ${seconds(at)}.${two(at.getMilliseconds(), 3)}`;
}

// Date and time of seconds since 1970.
export function stamp(time) {
  const at = new Date(time * 1000);
  return `${at.getFullYear()}-${day(at)} ${seconds(at)}`;
}

// Labels of a time axis; the first label and the first of each day have the date.
export function marks(plot, times) {
  const step = times[1] - times[0];
  return times.map((time, n) => {
    const at = new Date(time * 1000), before = new Date((n ? times[n - 1] : 0) * 1000);
    const text = step < 60 ? seconds(at) : minutes(at);
    if (n && day(at) === day(before)) return text;
    return step >= 86400 ? day(at) : `${text}\n${day(at)}`;
  });
}
