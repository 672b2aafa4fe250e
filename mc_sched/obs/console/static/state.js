// The view's state is kept in the address, so that every view has a permalink.

const DEFAULTS = { range: "15m", from: "", to: "", where: "", words: "", level: "", order: "newest", id: "" };
export const RANGES = { "5m": 5, "15m": 15, "1h": 60, "6h": 360, "24h": 1440, "7d": 10080 };

export function read() {
  const [path, query] = location.hash.replace(/^#\//, "").split("?");
  const [view, ...rest] = path.split("/");
  const given = Object.fromEntries(new URLSearchParams(query || ""));
  return { ...DEFAULTS, ...given, view: view || "explore", task: decoded(rest.join("/")) };
}

function decoded(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

export function hash(state) {
  const kept = Object.entries(state).filter(
    ([name, value]) => name in DEFAULTS && value !== "" && value !== DEFAULTS[name]);
  const path = state.view === "task" && state.task ? `task/${encodeURIComponent(state.task)}` : state.view;
  const query = new URLSearchParams(kept).toString();
  return `#/${path}${query ? `?${query}` : ""}`;
}

export const go = (changes) => { location.hash = hash({ ...read(), ...changes }); };

// The time range in milliseconds since 1970: a fixed range, or the last minutes.
export function range(state) {
  if (state.from && state.to) return { from: Number(state.from), to: Number(state.to) };
  const to = Date.now() + 1000;
  return { from: to - (RANGES[state.range] || 15) * 60000, to };
}

// The parameters of an API request.
export function parameters(state) {
  const { from, to } = range(state);
  const { where, words, level, order } = state;
  return { from: Math.floor(from), to: Math.ceil(to), where, words, level, order };
}

const quoted = (value) => /^[\w.:+/-]+$/.test(value) ? value : `'${value.replaceAll("'", `'"'"'`)}'`;
export const condition = (field, operator, value) => `${field}${operator}${quoted(String(value))}`;
