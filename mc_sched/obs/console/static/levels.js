// Levels from the most severe down; console.css has their colours, which are Grafana's.
export const LEVELS = ["critical", "error", "warning", "info", "debug", "trace", "unknown"];
