// Parts of a view, one shown at a time: links, so that each has an address and the browser's "back" works.

import { t } from "../../i18n.js";
import { h } from "./dom.js";

/** @param tabs [{name, words}]; the first one is that of the view's own address. */
export function tabs(view, list, current) {
  const href = (name) => (name === list[0].name ? `#${view}` : `#${view}/${name}`);
  const links = list.map(({ name, words }) => h("a", { href: href(name), "aria-current": name === current ? "page" : null }, words));
  return h("nav.tabs", { "aria-label": t("tabs.label") }, links);
}

/** What stands in place of a view when there is nothing to show: why, and what to do. */
export const nothing = (words, ...more) => h("div.nothing", h("p", words), ...more);
