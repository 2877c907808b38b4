// Qualify: what is proven of a model before a line relies on it. The photos that it rests on, two people's word on them, and the reports.

import { t } from "../i18n.js";
import { confirm } from "./parts/dialog.js";
import { button, field, fill, h } from "./parts/dom.js";
import { follow, isOver } from "./parts/follow.js";
import { inWords, when } from "./parts/format.js";
import { attempt, toast } from "./parts/toast.js";
import { rate } from "./qualify_rating.js";

export async function showQualify(place, context) {
  const abort = new AbortController();
  const { signal } = abort;
  const isEngineer = context.session.user.role === "engineer";
  const path = `studio/products/${encodeURIComponent(context.product)}`;
  const photos = h("section.card.padded");
  const people = h("section.card.padded");
  const reports = h("section.card.padded");
  fill(place, h("p.quiet.about-view", t("qualify.about")), h("div.cards", photos, people, reports));

  async function loadStudy() {
    const study = await attempt(() => context.call("GET", `${path}/study`, { signal }));
    if (!study) return;
    renderPhotos(study);
    renderPeople(study);
  }

  // ---- the photos

  function renderPhotos({ good, challenge, parts }) {
    const name = h("input", { type: "text", maxlength: 64, placeholder: t("qualify.part.example"), "aria-label": t("qualify.part.name") });
    const enough = (count, wanted) => h("strong", { class: count >= wanted ? "good" : "short" }, String(count));
    fill(
      photos,
      h("h3", t("qualify.photos")),
      h(
        "dl.facts.study",
        row(t("qualify.good"), enough(good.length, 60), t("qualify.good.about")),
        row(t("qualify.challenge"), enough(challenge.length, 30), t("qualify.challenge.about")),
        row(t("qualify.parts"), enough(parts.length, 5), t("qualify.parts.about")),
      ),
      parts.length > 0 && h("ul.notes", parts.map((part) => h("li", t("qualify.part", { name: part.name, count: part.pictures.length })))),
      isEngineer &&
        h(
          "div.paragraphs",
          h("div.buttons", chooser(t("qualify.add.good"), () => null)),
          h("div.buttons.joined", name, chooser(t("qualify.add.part"), () => name.value.trim() || t("qualify.part.number", { number: parts.length + 1 }))),
          (good.length > 0 || parts.length > 0) && h("div.buttons", button(t("qualify.anew"), anew, { kind: "plain", icon: "clear" })),
        ),
    );
  }

  const row = (term, value, about) => h("div", h("dt", term), h("dd", value, " ", h("span.quiet", about)));

  /** A button that takes files; `part` names the part that they all show, null for good parts of all kinds. */
  function chooser(words, part) {
    const input = h("input", { type: "file", accept: "image/*", multiple: true, hidden: true, onchange: () => add([...input.files], part()) });
    return h("span", input, button(words, () => input.click(), { icon: "image" }));
  }

  async function add(files, part) {
    if (!files.length) return;
    const form = new FormData();
    for (const file of files) form.append("files", file, file.name);
    const answer = await attempt(() => context.call("POST", `${path}/study/pictures`, { query: { part }, form, signal }));
    if (!answer) return;
    const wrong = answer.pictures.filter(({ errorCode }) => errorCode);
    if (wrong.length) toast(t("qualify.add.wrong", { count: wrong.length, name: wrong[0].name, reason: wrong[0].errorMsg }), { isError: true });
    else toast(t("qualify.added", { count: files.length }));
    await loadStudy();
  }

  async function anew() {
    const sure = await confirm({ title: t("qualify.anew"), words: [t("qualify.anew.about")], action: t("qualify.anew.yes"), isDangerous: true });
    if (!sure || (await attempt(() => context.call("DELETE", `${path}/study`))) === undefined) return;
    await loadStudy();
  }

  // ---- two people

  function renderPeople({ raters, toRate }) {
    fill(
      people,
      h("h3", t("qualify.people")),
      h("p.quiet", t("qualify.people.about")),
      raters.length > 0 && h("ul.notes", raters.map(({ name, rated }) => h("li", t("qualify.rater", { name, count: rated })))),
      h(
        "div.buttons",
        button(
          t(toRate.length ? "qualify.rate" : "qualify.rated", { count: toRate.length }),
          async () => {
            await rate(context, path, toRate);
            await loadStudy();
          },
          { disabled: toRate.length === 0 },
        ),
      ),
    );
  }

  // ---- the reports

  async function loadReports() {
    const [answer, known] = await Promise.all([
      attempt(() => context.call("GET", `${path}/qualifications`, { signal })),
      attempt(() => context.call("GET", `${path}/versions`, { signal })),
    ]);
    if (answer && known) renderReports(answer.reports, known.versions);
  }

  function renderReports(jobs, versions) {
    const version = h("select", versions.map(({ id, number, isLive }) => h("option", { value: id, selected: isLive }, t("models.number", { number }) + (isLive ? ` (${t("models.live")})` : ""))));
    const scale = h("input", { type: "number", min: 0.001, step: "any", inputmode: "decimal", placeholder: t("qualify.scale.none") });
    const bar = h("progress", { max: 1, hidden: true, "aria-label": t("qualify.running") });
    const start = async () => {
      const body = { version: Number(version.value), ...(scale.value && { pixelsPerMm: scale.valueAsNumber }) };
      const job = await attempt(() => context.call("POST", `${path}/qualify`, { body }));
      if (job) await watch(job, bar);
    };
    fill(
      reports,
      h("h3", t("qualify.reports")),
      isEngineer && versions.length > 0 && h("div.paragraphs", h("div.two", field(t("models.version"), version), field(t("qualify.scale"), scale)), h("div.buttons", button(t("qualify.run"), start, { kind: "primary" }), bar)),
      jobs.length ? h("ul.reports", jobs.map(report)) : h("p.quiet", t("qualify.none")),
    );
    const running = jobs.find((job) => !isOver(job));
    if (running) watch(running, bar);
  }

  async function watch(job, bar) {
    bar.hidden = false;
    const onStep = ({ done, total }) => (total ? (bar.value = done / total) : bar.removeAttribute("value"));
    const over = await attempt(() => follow(context.call, job, { onStep, signal }));
    if (over && over.state !== "done") toast(over.error || t(`job.${over.state}`), { isError: true });
    if (over) await loadReports();
  }

  function report({ id, state, endedAt, madeAt, result, error }) {
    const link = (name, words) => h("a", { href: `studio/jobs/${id}/qualification/${name}`, target: "_blank", rel: "noopener" }, words);
    if (state !== "done") return h("li", h("span", when(madeAt)), " ", h("span.quiet", error || t(`job.${state}`)));
    const sentences = (result.words ?? []).map((sentence) => h("li", typeof sentence === "string" ? sentence : inWords(sentence)));
    return h(
      "li",
      h("div.report-head", h("strong", when(endedAt ?? madeAt)), link("qualification.html", t("qualify.open")), link("qualification.json", "JSON"), link("per_picture.csv", "CSV")),
      sentences.length > 0 && h("ul.quiet", sentences),
    );
  }

  await Promise.all([loadStudy(), loadReports()]);
  return { unmount: () => abort.abort() };
}
