// Elements, made in one call. Text is only ever text: nothing here reads HTML.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. `what` names its tag, classes and id, as a selector does: "button.primary.wide#save". In `attributes` a function is a
 * listener ("onclick"), true and false set and leave out an attribute, null leaves it out, and what is no attribute but a property
 * (value, checked, textContent) is set as one. Children are elements, texts and numbers, or lists of them; null and false are none.
 */
export const h = (what, ...rest) => build((tag) => document.createElement(tag), what, rest);

/** The same for what is drawn: SVG. */
export const s = (what, ...rest) => build((tag) => document.createElementNS(SVG, tag), what, rest);

const PROPERTIES = new Set(["value", "checked", "textContent", "disabled", "hidden", "selected", "indeterminate"]);

function build(create, what, rest) {
  const [, tag, marks] = what.match(/^([a-z0-9]+)(.*)$/);
  const element = create(tag);
  for (const [, kind, name] of marks.matchAll(/([.#])([\w-]+)/g)) {
    if (kind === "#") element.id = name;
    else element.classList.add(name);
  }
  const hasAttributes = rest[0] !== null && typeof rest[0] === "object" && !Array.isArray(rest[0]) && !(rest[0] instanceof Node);
  if (hasAttributes) setAll(element, rest[0]);
  fill(element, ...(hasAttributes ? rest.slice(1) : rest));
  return element;
}

function setAll(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined) continue;
    if (PROPERTIES.has(name) && !(element instanceof SVGElement)) element[name] = value;
    else if (name.startsWith("aria-")) element.setAttribute(name, String(value)); // false is a word there
    else if (value === false) continue;
    else if (name === "class") element.classList.add(...value.split(" ").filter(Boolean));
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
}

/** Put `children` into an element in place of what it holds. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** One of the page's icons, such as "ok"; it says nothing by itself. */
export const icon = (name) => s("svg", { "aria-hidden": "true", focusable: "false" }, s("use", { href: `#i-${name}` }));

/** A button with an icon, or without one. */
export function button(words, onclick, { kind = "", icon: name = null, ...attributes } = {}) {
  return h(`button${kind && `.${kind}`}`, { type: "button", onclick, ...attributes }, name && icon(name), h("span", words));
}

/** A labelled field: `control` below its label, a word of explanation below both. */
export function field(label, control, about = null) {
  control.id ||= `field-${++fields}`;
  const note = about && h("p.quiet.about-field", { id: `${control.id}-about` }, about);
  if (note) control.setAttribute("aria-describedby", note.id);
  return h("div.field", h("label", { for: control.id }, label), control, note);
}
let fields = 0;
