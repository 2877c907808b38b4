// Models: the versions of a product, which of them judges, and how another becomes it; the challenge set that all are held against.

import { raw, t } from "../i18n.js";
import { showChallenge } from "./models_challenge.js";
import { gateAnswer } from "./models_gate.js";
import { goBack, goLive, tryGate } from "./models_actions.js";
import { shadowComparison } from "./models_shadow.js";
import { retune } from "./models_retune.js";
import { showQualify } from "./qualify.js";
import { tag } from "./parts/chip.js";
import { button, fill, h } from "./parts/dom.js";
import { exactly, falseAlarmWords, inWords, share, when } from "./parts/format.js";
import { Grid } from "./parts/grid.js";
import { nothing, tabs } from "./parts/tabs.js";
import { attempt, toast } from "./parts/toast.js";

export async function mount(element, context) {
  const current = context.parts?.[0] ?? "versions";
  const names = ["versions", "challenge", "qualify"].map((name) => ({ name, words: t(`models.${name}`) }));
  const place = h("div.tab");
  fill(element, h("div.view-head", h("h2", t("nav.models")), tabs("models", names, current)), place);
  if (!context.product) {
    fill(place, nothing(t("models.no.product"), h("a.button", { href: "#teach" }, t("models.teach"))));
    return {};
  }
  if (current === "challenge") return showChallenge(place, context);
  if (current === "qualify") return showQualify(place, context);
  const view = new VersionsView(place, context);
  await view.load();
  return view;
}

const columns = () => [
  {
    head: t("models.version"),
    kind: "name-cell",
    cell: (version) => [
      h("span.row-name", t("models.number", version), " ", marks(version)),
      h("span.about", `${t(`models.how.${version.how}`)} · ${t("models.pictures.of", { count: version.pictures })} · `, h("time", { title: exactly(version.madeAt) }, when(version.madeAt)), ` · ${version.madeBy}`),
    ],
  },
  { head: t("models.alarms"), kind: "number rate-cell", cell: ({ falseAlarms }) => (falseAlarms?.of ? share(falseAlarms.share) : "?") },
  { head: t("models.gate"), kind: "gate-cell", cell: ({ gate }) => (gate ? tag(t(gate.passed ? "gate.mark.passed" : "gate.mark.refused"), gate.passed ? "good" : "bad") : h("span.quiet", "–")) },
];

const marks = ({ isLive, isShadow, error }) => [
  isLive && tag(t("models.live"), "live"),
  isShadow && tag(t("models.shadow"), "caution"),
  error && tag(t("models.broken"), "bad"),
];

class VersionsView {
  #context;
  #abort = new AbortController();
  #chosen = null;

  constructor(element, context) {
    this.#context = context;
    this.isEngineer = context.session.user.role === "engineer";
    this.now = h("div.now");
    this.grid = new Grid({ label: t("models.versions"), columns: columns(), keyOf: ({ id }) => id, onSelect: (version, byPointer) => this.#open(version, byPointer) });
    this.detail = h("section.card.detail.padded", { hidden: true });
    fill(element, h("div.split", h("section.card.list", this.now, this.grid.element), this.detail));
  }

  async load() {
    const { signal } = this.#abort;
    const path = `studio/products/${encodeURIComponent(this.#context.product)}/versions`;
    const answer = await attempt(() => this.#context.call("GET", path, { signal }));
    if (!answer) return;
    this.versions = answer.versions;
    this.grid.show(this.versions, t("models.none"));
    this.#renderNow();
    const chosen = this.versions.find(({ id }) => id === this.#chosen?.id) ?? this.versions.find(({ isLive }) => isLive) ?? this.versions[0];
    if (chosen) {
      this.grid.select(chosen.id);
      this.#open(chosen, false);
    }
  }

  unmount() {
    this.#abort.abort();
  }

  /** What judges now, and one click back. */
  #renderNow() {
    const live = this.versions.find(({ isLive }) => isLive);
    const before = live && this.versions.filter(({ liveAt, number }) => liveAt && number < live.number).sort((a, b) => b.number - a.number)[0];
    fill(
      this.now,
      h("p", live ? t("models.now", { number: live.number, at: live.liveAt ? when(live.liveAt) : "?" }) : t("models.now.none")),
      this.isEngineer && before && button(t("models.back", before), () => this.#do(goBack, before), { icon: "reset" }),
    );
  }

  #open(version, byPointer) {
    this.#chosen = version;
    const { number, falseAlarms, threshold, ownThreshold, pictures, how, madeAt, madeBy, digest, command, modelName, isLive, isShadow, error, gate, detectability } = version;
    const place = h("div.gate-place", gate ? gateAnswer(gate) : h("p.quiet", t("gate.not.yet")));
    const facts = [
      [t("models.how"), `${t(`models.how.${how}`)}${modelName ? `, ${modelName}` : ""}`],
      [t("models.pictures"), t("models.pictures.of", { count: pictures })],
      [t("models.threshold"), threshold === null || threshold === undefined ? "?" : `${raw(threshold)}${ownThreshold !== null && ownThreshold !== threshold ? ` ${t("models.threshold.own", { own: raw(ownThreshold) })}` : ""}`],
      [t("models.alarms.expected"), falseAlarmWords(falseAlarms)],
      detectability && [t("models.detectability"), inWords(detectability.words)],
      [t("models.made"), h("time", { title: exactly(madeAt) }, t("models.made.by", { at: when(madeAt), by: madeBy }))],
    ];
    this.detail.hidden = false;
    fill(
      this.detail,
      button(t("history.back"), () => this.detail.classList.remove("open"), { kind: "back", icon: "left" }),
      h("h3", t("models.number", { number }), " ", marks(version)),
      error && h("p.wrong", error),
      h("dl.facts", facts.filter(Boolean).map(([term, value]) => h("div", h("dt", term), h("dd", value)))),
      this.isEngineer &&
        h(
          "div.buttons",
          !isLive && button(t("models.go.live"), () => this.#do(goLive, version), { kind: "primary", disabled: Boolean(error) }),
          button(t("models.try"), () => this.#try(version, place), { disabled: Boolean(error) }),
          !isLive && button(t(isShadow ? "models.shadow.off" : "models.shadow.on"), () => this.#shadow(version, !isShadow), { disabled: Boolean(error) && !isShadow }),
        ),
      isShadow && shadowComparison(this.#context),
      this.isEngineer && isLive && Number.isFinite(threshold) && retune(this.#context, version, (made) => this.#show(made)),
      h("h4", t("models.gate")),
      place,
      h("details.command", h("summary", t("models.command")), h("pre", command), h("p.quiet", `${t("models.digest")} ${digest}`)),
    );
    this.detail.scrollTop = 0;
    if (byPointer && matchMedia("(max-width: 71.99rem)").matches) this.detail.classList.add("open");
  }

  async #show(version) {
    this.#chosen = version;
    await this.load();
  }

  async #do(action, version) {
    if (await action(this.#context, version)) await this.#show(version);
  }

  async #try(version, place) {
    if (await tryGate(this.#context, version, place, this.#abort.signal)) await this.load();
  }

  async #shadow(version, isWanted) {
    const path = `studio/products/${encodeURIComponent(this.#context.product)}/shadow`;
    const answer = await attempt(() => this.#context.call("POST", path, { body: { version: isWanted ? version.id : null } }));
    if (answer === undefined) return;
    toast(t(isWanted ? "models.shadow.is.on" : "models.shadow.is.off", version));
    await this.load();
  }
}
