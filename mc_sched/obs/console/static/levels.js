// Levels from the gravest down, in Grafana's colours (console.css has them).
export const LEVELS = ["critical", "error", "warning", "info", "debug", "trace", "unknown"];
