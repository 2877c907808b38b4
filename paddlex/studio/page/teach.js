import { t } from "../i18n.js";
import { h } from "./parts/dom.js";

export async function mount(element) {
  element.append(h("h2", t("nav.teach")));
}
