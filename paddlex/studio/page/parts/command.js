// "The same on the command line", folded, with a button that copies it.

import { t } from "../../i18n.js";
import { button, h } from "./dom.js";
import { toast } from "./toast.js";

/** {element, set(words)}: hidden as long as there is nothing to say. */
export function commandLine() {
  const code = h("code", { tabindex: 0 });
  const element = h(
    "details.command",
    { hidden: true },
    h("summary", t("command")),
    h("div.command-body", h("pre", code), button(t("command.copy"), () => copy(code), { icon: "copy" })),
  );
  return {
    element,
    set(words) {
      code.textContent = words ?? "";
      element.hidden = !words;
    },
  };
}

async function copy(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    toast(t("command.copied"));
  } catch {
    getSelection().selectAllChildren(code); // only pages from https:// or localhost may write to the clipboard
    toast(t("command.select"));
  }
}
