// Small pictures of what a workspace keeps.

import { t } from "../../i18n.js";
import { h, s } from "./dom.js";
import { areas } from "./drawing.js";

/** A small picture, with areas drawn over it ([[x, y], ...] in shares); where it has been removed, a word about that. */
export function thumbnail(digest, { where = [], isKept = true, alt = "" } = {}) {
  if (!isKept) return h("span.thumbnail.removed", { title: t("history.removed.long") }, h("span", t("history.removed")));
  const picture = h("img", { src: `studio/pictures/${digest}/thumbnail`, alt, loading: "lazy", decoding: "async" });
  picture.addEventListener("error", () => picture.replaceWith(h("span.removed", { title: t("history.removed.long") }, h("span", t("history.removed")))));
  const drawn = where.length > 0 && s("svg.where", { viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" }, areas(where));
  return h("span.thumbnail", picture, drawn);
}
