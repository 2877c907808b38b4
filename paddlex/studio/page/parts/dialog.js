// Dialogs: a question with its answers, or a form. Escape is always "no".

import { t } from "../../i18n.js";
import { button, h } from "./dom.js";

let count = 0;

/**
 * Show `body` in a dialog and wait for what is pressed.
 *
 * @param actions [{name, words, kind}], the last one is the one that is wanted; "" is what Escape and Cancel answer. Without any, there is
 *   nothing to decide: one button closes the dialog.
 * @param check(name) may say what is still wrong (a string, or a promise of one): the dialog then stays open and shows it.
 */
export function openDialog({ title, body, actions = [], check = () => "", wide = false }) {
  return new Promise((resolve) => {
    const id = `dialog-${++count}`;
    const wrong = h("p.wrong", { role: "alert", hidden: true });
    const press = async (name) => {
      if (name !== "") {
        const problem = await check(name);
        wrong.textContent = problem;
        wrong.hidden = !problem;
        if (problem) return;
      }
      answer = name;
      dialog.close();
    };
    const wanted = actions.at(-1)?.name ?? "";
    const buttons = actions.map(({ name, words, kind = "" }) =>
      h(`button${kind && `.${kind}`}`, { type: name === wanted ? "submit" : "button", onclick: name === wanted ? null : () => press(name) }, words),
    );
    let answer = "";
    const dialog = h(
      `dialog.asking${wide ? ".wide" : ""}`,
      { "aria-labelledby": id },
      h(
        "form",
        {
          onsubmit(event) {
            event.preventDefault();
            press(wanted);
          },
        },
        h("h2", { id }, title),
        body,
        wrong,
        h("div.buttons.answers", button(t(actions.length ? "cancel" : "close"), () => press("")), buttons),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
    (dialog.querySelector("[autofocus]") ?? dialog.querySelector("input, select, textarea") ?? dialog.querySelector(".answers button:last-child")).focus();
  });
}

/** Ask whether to do something; `words` is a list of paragraphs, texts or elements. */
export async function confirm({ title, words, action, isDangerous = false }) {
  const body = h("div.paragraphs", words.map((word) => (word instanceof Node ? word : h("p", word))));
  const kind = isDangerous ? "danger" : "primary";
  return (await openDialog({ title, body, actions: [{ name: "yes", words: action, kind }] })) === "yes";
}
