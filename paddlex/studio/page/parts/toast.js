// A word at the foot of the page about what was just done; a screen reader hears it, too. What went wrong stays until it is dismissed.

import { t } from "../../i18n.js";
import { button, h, icon } from "./dom.js";

const SECONDS = 8;
let place = null;

/** @param action {words, run}: a button beside the words, such as to take it back. */
export function toast(words, { isError = false, action = null } = {}) {
  place ??= document.body.appendChild(h("div.toasts", { role: "status", "aria-live": "polite" }));
  const leave = () => made.remove();
  const made = h(
    `div.toast${isError ? ".failed" : ""}`,
    icon(isError ? "error" : "ok"),
    h("p", words),
    action && button(action.words, () => (leave(), action.run()), { kind: "plain" }),
    button("×", leave, { kind: "plain", "aria-label": t("close") }),
  );
  while (place.childElementCount > 2) place.firstChild.remove();
  place.append(made);
  if (!isError) setTimeout(() => !made.matches(":hover, :focus-within") && leave(), 1000 * SECONDS);
}

/** Do something, and say so where it fails: returns what came of it, or undefined. */
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    if (error.name === "AbortError") return undefined;
    toast(error.message || t("error.network"), { isError: true });
    return undefined;
  }
}
