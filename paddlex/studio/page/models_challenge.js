// The challenge set: the known bad parts that every version must find before it may go live, with what was drawn on them.

import { t } from "../i18n.js";
import { button, fill, h } from "./parts/dom.js";
import { openDialog } from "./parts/dialog.js";
import { when } from "./parts/format.js";
import { nothing } from "./parts/tabs.js";
import { thumbnail } from "./parts/thumbnail.js";
import { attempt } from "./parts/toast.js";

const PAGE = 120;

export async function showChallenge(place, context) {
  const abort = new AbortController();
  const list = h("ul.gallery");
  const count = h("p", { role: "status" });
  const more = button(t("more.any"), () => load(), { hidden: true });
  let after = null;
  fill(place, h("section.card.padded", h("p.quiet", t("challenge.about")), count, list, more));

  async function load() {
    const path = `studio/products/${encodeURIComponent(context.product)}/pictures`;
    const answer = await attempt(() => context.call("GET", path, { query: { role: "challenge", limit: PAGE, after }, signal: abort.signal }));
    if (!answer) return;
    after = answer.next;
    more.hidden = !answer.next;
    list.append(...answer.pictures.map(item));
    count.textContent = list.childElementCount ? t("challenge.count", { count: answer.total ?? list.childElementCount }) : "";
    if (!list.childElementCount) fill(list, nothing(t("challenge.none")));
  }

  function item(member) {
    const { digest, name, where = [], addedAt, addedBy } = member;
    const open = () => openDialog({ title: name, wide: true, body: large(member) });
    const words = where.length ? t("challenge.drawn", { count: where.length }) : t("challenge.undrawn");
    return h(
      "li",
      h("button.picture", { type: "button", onclick: open, "aria-label": `${name}, ${words}` }, thumbnail(digest, { where })),
      h("span.row-name", { title: name }, name),
      h("span.about", `${words} · ${when(addedAt)} · ${addedBy}`),
    );
  }

  await load();
  return { unmount: () => abort.abort() };
}

function large({ digest, name, where = [] }) {
  const shown = thumbnail(digest, { where, alt: name });
  shown.querySelector("img").src = `studio/pictures/${digest}/shown`;
  shown.classList.add("large");
  return h("div.large-picture", shown);
}
