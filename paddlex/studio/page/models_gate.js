// What the gate says of a version: whether it may go live, what it would miss, and what changes, picture by picture.

import { decimal, t } from "../i18n.js";
import { chip } from "./parts/chip.js";
import { h, icon } from "./parts/dom.js";
import { inWords, share, when } from "./parts/format.js";
import { thumbnail } from "./parts/thumbnail.js";

const SHOWN = 60; // pictures of the list of changes, at first

/** A gate's answer as elements; `words` say in its head that it has passed, or has not. */
export function gateAnswer(gate, words = { passed: t("gate.passed"), refused: t("gate.refused") }) {
  const { passed, reasons = [], notes = [], challenge, at } = gate;
  return h(
    "div.gate",
    h(`p.gate-word.${passed ? "good" : "bad"}`, icon(passed ? "ok" : "ng"), h("strong", passed ? words.passed : words.refused), at && h("span.quiet", when(at))),
    reasons.length > 0 && h("ul.reasons", reasons.map((reason) => h("li", reason.digest && thumbnail(reason.digest), h("span", inWords(reason.words))))),
    h("dl.facts", fact(t("gate.challenge"), challengeWords(challenge)), gate.falseAlarms && fact(t("gate.alarms"), alarmWords(gate.falseAlarms))),
    notes.length > 0 && h("ul.notes.quiet", notes.map(({ words }) => h("li", inWords(words)))),
    gate.changes?.length > 0 && changes(gate),
  );
}

const fact = (term, words) => h("div", h("dt", term), h("dd", words));

export function challengeWords({ found, of, notLookedAt = 0 }) {
  if (of === 0) return t("gate.challenge.none");
  const words = t("gate.challenge.found", { found, of });
  return notLookedAt ? `${words} ${t("gate.challenge.notLookedAt", { count: notLookedAt })}` : words;
}

function alarmWords({ above, of, share: rate, low, high, target }) {
  if (!of) return t("rate.unknown.short");
  return t("gate.alarms.are", { above, of, share: share(rate), low: share(low), high: share(high), target: share(target) });
}

/** Before and after of each picture; verdicts that have changed come first, as the server sorts them. */
function changes({ changes: list, comparedWith, judged }) {
  const hasChanged = ({ before, after }) => before && before.isAnomalous !== after.isAnomalous;
  const changed = list.filter(hasChanged).length;
  const summary = comparedWith ? t("gate.changes", { changed, of: judged ?? list.length, number: comparedWith }) : t("gate.changes.first", { of: judged ?? list.length });
  const body = h("tbody", list.slice(0, SHOWN).map(row));
  const more = h("button", { type: "button", onclick: () => (body.append(...list.slice(SHOWN).map(row)), more.remove()) }, t("more", { count: list.length - SHOWN }));
  return h(
    "details.changes",
    { open: true },
    h("summary", summary),
    h(
      "table.grid",
      h("thead", h("tr", h("th.thumb", { scope: "col" }, h("span.unseen", t("column.picture"))), h("th", { scope: "col" }, t("column.name")), h("th.state", { scope: "col" }, t("gate.before")), h("th.state", { scope: "col" }, t("gate.after")))),
      body,
    ),
    list.length > SHOWN && more,
  );

  function row(change) {
    const { digest, name, role, learnt, before, after } = change;
    const about = [t(`gate.role.${role}`), learnt && t("gate.learnt")].filter(Boolean).join(" · ");
    return h(
      "tr",
      { class: hasChanged(change) ? "changed" : "" },
      h("td.thumb", thumbnail(digest)),
      h("td.name-cell", h("span.row-name", { title: name }, name), h("span.about", about)),
      h("td.state", before ? seen(before) : "–"),
      h("td.state", seen(after)),
    );
  }
}

const seen = ({ isAnomalous, score }) => [chip(isAnomalous), h("span.seen-score", decimal(score))];
