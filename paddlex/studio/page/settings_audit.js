// The audit trail: every change of a model, a threshold, a region or a user, each entry bound to the one before by its hash.

import { t } from "../i18n.js";
import { button, fill, h, icon } from "./parts/dom.js";
import { exactly, when } from "./parts/format.js";
import { Grid } from "./parts/grid.js";
import { attempt } from "./parts/toast.js";

const PAGE = 100;

export async function showAudit(place, context) {
  const abort = new AbortController();
  let [entries, next, product] = [[], null, ""];
  const grid = new Grid({
    label: t("settings.audit"),
    keyOf: ({ number }) => number,
    columns: [
      { head: "№", kind: "number count", cell: ({ number }) => String(number) },
      {
        head: t("audit.what"),
        kind: "name-cell",
        cell: ({ action, product: of, details, hash }) => [h("span.row-name", `${actionWords(action)}${of ? ` · ${of}` : ""}`), h("span.about", { title: hash }, detailWords(details))],
      },
      { head: t("audit.who"), kind: "who", cell: ({ by, at }) => [h("span.row-name", by || "–"), h("time.about", { title: exactly(at) }, when(at))] },
    ],
  });
  const result = h("div.verification", { role: "status" });
  const more = button(t("more.any"), () => load(), { hidden: true });
  const choose = h(
    "select",
    { "aria-label": t("history.product"), onchange: ({ target }) => ((product = target.value), render()) },
    h("option", { value: "" }, t("history.all.products")),
    context.products.map(({ name }) => h("option", { value: name }, name)),
  );
  fill(
    place,
    h("section.card.list", h("div.heading", choose, button(t("audit.verify"), verify), result), grid.element, h("div.pager", more)),
  );

  /** The trail is one for all products: those of one are picked here, and more is fetched until there are some. */
  async function load() {
    do {
      const answer = await attempt(() => context.call("GET", "studio/audit", { query: { before: next, limit: PAGE }, signal: abort.signal }));
      if (!answer) return;
      entries.push(...answer.entries);
      next = answer.next;
    } while (next !== null && shown().length === 0);
    render();
  }

  const shown = () => entries.filter((entry) => product === "" || entry.product === product);

  function render() {
    grid.show(shown(), t("audit.none"));
    more.hidden = next === null;
  }

  async function verify() {
    fill(result, h("p.quiet", t("audit.verifying")));
    const answer = await attempt(() => context.call("GET", "studio/audit/verify", { signal: abort.signal }));
    if (!answer) return fill(result);
    const { isIntact, entries: count, head, error } = answer;
    return fill(
      result,
      h(`p.gate-word.${isIntact ? "good" : "bad"}`, icon(isIntact ? "ok" : "ng"), h("strong", isIntact ? t("audit.intact", { count }) : t("audit.broken")), !isIntact && h("span", error)),
      head && h("p.quiet.hash", t("audit.head"), " ", h("code", head)),
    );
  }

  await load();
  return { unmount: () => abort.abort() };
}

function actionWords(action) {
  try {
    return t(`action.${action}`);
  } catch {
    return action; // one that this page does not know yet
  }
}

/** The details as short text: names and values. */
function detailWords(details, depth = 0) {
  const words = (value) => {
    if (value === null) return "–";
    if (Array.isArray(value)) return value.length > 4 ? `${value.slice(0, 4).map(words).join(", ")} … (${value.length})` : value.map(words).join(", ");
    if (typeof value === "object") return depth < 2 ? detailWords(value, depth + 1) : "…";
    if (typeof value === "number" && !Number.isInteger(value)) return String(Number(value.toPrecision(5)));
    const text = String(value);
    return /^[0-9a-f]{40,}$/.test(text) ? text.slice(0, 12) : text;
  };
  return Object.entries(details ?? {})
    .map(([name, value]) => [name, name === "at" && Number.isInteger(value) ? when(value) : words(value)])
    .map(([name, text]) => (name ? `${name}: ${text}` : text))
    .join(" · ");
}
