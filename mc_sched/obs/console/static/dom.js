// Builds elements from data. Strings become text nodes and are never parsed as markup.

export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null));
  return element;
}

export const button = (label, onclick, attributes = {}) =>
  el("button", { type: "button", onclick, ...attributes }, label);

export function select(options, chosen, onchange, label) {
  const element = el("select", { "aria-label": label },
    options.map(([value, text]) => el("option", { value, selected: value === chosen }, text)));
  element.addEventListener("change", () => onchange(element.value));
  return element;
}

export function toggle(label, on, onchange) {
  const box = el("input", { type: "checkbox" });
  box.checked = on;
  box.addEventListener("change", () => onchange(box.checked));
  return el("label", { class: "toggle" }, box, label);
}

export function problem(text) {
  const place = document.getElementById("problem");
  place.textContent = text;
  place.hidden = !text;
}

export const colour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
