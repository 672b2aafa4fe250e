// Requests to the agent's API.

import { problem } from "./dom.js";

export const address = (path, parameters = {}) => {
  const kept = Object.entries(parameters).filter(([, value]) => value !== "" && value != null);
  return `/api/${path}?${new URLSearchParams(kept)}`;
};

export async function request(path, parameters) {
  try {
    const response = await fetch(address(path, parameters));
    const found = await response.json();
    if (!response.ok) throw new Error(found.error);
    return found;
  } catch (error) {
    problem(error.message);
    throw error;
  }
}
