// Building elements. Text only ever enters as text: nothing here parses markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Make an element: attributes, "on…" listeners, then children (nodes or text). */
export function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

export const byId = (id) => document.getElementById(id);

/** Set a custom property that a style sheet reads; inline styles are forbidden to the page. */
export function measure(node, name, value) {
  node.style.setProperty(name, value);
  return node;
}

/** Text for screen readers only. */
export const unseen = (text) => make("span", { class: "unseen" }, text);

/** Let a dialog close by its "Cancel" buttons, and hand its form's submission to `submit`. */
export function prepareDialog(dialog, submit) {
  for (const button of dialog.querySelectorAll("[data-close]")) {
    button.addEventListener("click", () => dialog.close());
  }
  dialog.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
}
