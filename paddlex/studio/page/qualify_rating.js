// Rating photos blind: one after the other, with neither verdict nor score, so that what two people say can be held against each other.

import { t } from "../i18n.js";
import { openDialog } from "./parts/dialog.js";
import { button, fill, h, icon } from "./parts/dom.js";

/** Show the pictures of `paths`, and send what is said of each; ends when all are rated or the dialog is closed. */
export async function rate(context, path, paths) {
  const picture = h("img.rated", { alt: t("rating.alt") });
  const count = h("p.quiet", { role: "status" });
  const wrong = h("p.wrong", { role: "alert", hidden: true });
  let at = 0;
  let isSending = false;

  const say = async (verdict) => {
    if (isSending || at >= paths.length) return;
    isSending = true;
    try {
      await context.call("POST", `${path}/study/rating`, { body: { picture: paths[at], verdict } });
      at += 1;
      wrong.hidden = true;
    } catch (error) {
      wrong.textContent = error.message || t("error.network");
      wrong.hidden = false;
    }
    isSending = false;
    show();
  };

  const good = button(t("rating.good"), () => say("good"), { icon: "ok", kind: "say-good" });
  const bad = button(t("rating.bad"), () => say("bad"), { icon: "ng", kind: "say-bad" });
  const answers = h("div.buttons.rating", good, bad);
  const body = h("div.paragraphs", { onkeydown: press }, h("p.quiet", t("rating.about")), picture, count, answers, wrong);

  function press(event) {
    const verdict = { g: "good", b: "bad" }[event.key.toLowerCase()];
    if (verdict && !event.ctrlKey && !event.metaKey && !event.altKey) say(verdict);
  }

  function show() {
    if (at >= paths.length) {
      picture.hidden = true;
      fill(answers, h("p.gate-word.good", icon("ok"), h("strong", t("rating.done"))));
      count.textContent = "";
      return;
    }
    picture.src = `${path}/study/picture?${new URLSearchParams({ picture: paths[at] })}`;
    count.textContent = t("place", { at: at + 1, of: paths.length });
  }

  show();
  await openDialog({ title: t("rating.title"), body, wide: true });
}
