// A shadow judges beside the live version and decides nothing: how often the two agree, and where they do not.

import { decimal, t } from "../i18n.js";
import { chip } from "./parts/chip.js";
import { fill, h } from "./parts/dom.js";
import { share, when } from "./parts/format.js";
import { thumbnail } from "./parts/thumbnail.js";
import { attempt } from "./parts/toast.js";

/** The comparison, filled in when it is there. */
export function shadowComparison(context) {
  const place = h("div.shadow", h("h4", t("shadow.title")), h("p.quiet", t("shadow.loading")));
  load();
  return place;

  async function load() {
    const answer = await attempt(() => context.call("GET", `studio/products/${encodeURIComponent(context.product)}/shadow`));
    if (!answer) return;
    const { of, agree, onlyLive, onlyShadow, examples = [] } = answer;
    const row = (example) =>
      h(
        "tr",
        h("td.thumb", thumbnail(example.digest, example)),
        h("td.name-cell", h("span.row-name", { title: example.name }, example.name), h("span.about", when(example.at))),
        h("td.state", chip(example.isAnomalous), h("span.seen-score", decimal(example.score))),
        h("td.state", example.shadow ? [chip(example.shadow.isAnomalous), h("span.seen-score", decimal(example.shadow.score))] : "–"),
      );
    const heads = [["thumb", h("span.unseen", t("column.picture"))], ["", t("column.name")], ["state", t("models.live")], ["state", t("models.shadow")]];
    fill(
      place,
      h("h4", t("shadow.title")),
      h("p", of ? t("shadow.agree", { agree, of, share: share(agree / of) }) : t("shadow.none")),
      of > 0 && h("p.quiet", t("shadow.differ", { onlyLive, onlyShadow })),
      examples.length > 0 && h("table.grid", h("thead", h("tr", heads.map(([kind, words]) => h("th", { scope: "col", class: kind }, words)))), h("tbody", examples.map(row))),
    );
  }
}
