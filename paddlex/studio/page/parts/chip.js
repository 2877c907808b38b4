// The word of a verdict, as the table of the Judge view has it, and other marks of one word.

import { t } from "../../i18n.js";
import { h, icon } from "./dom.js";

export function chip(isAnomalous) {
  const word = isAnomalous ? "ng" : "ok";
  return h("span.chip", { class: word }, icon(word), h("span", t(`word.${word}`)));
}

/** A tag such as "live": kinds are good, bad, caution and quiet. */
export const tag = (words, kind = "quiet") => h("span.tag", { class: kind }, words);
