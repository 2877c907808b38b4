// A form in a card: fields, one button, and what is wrong with them.

import { t } from "../../i18n.js";
import { h } from "./dom.js";

/**
 * @param send() does it and may throw: its words are shown, and the form stays as it is.
 * @param fields what stands in it.
 */
export function formCard({ title, about = null, fields, action, send }) {
  const wrong = h("p.wrong", { role: "alert", hidden: true });
  const submit = h("button.primary", { type: "submit" }, action);
  const onsubmit = async (event) => {
    event.preventDefault();
    wrong.hidden = true;
    submit.disabled = true;
    try {
      await send();
    } catch (error) {
      wrong.textContent = error.message || t("error.network");
      wrong.hidden = false;
    } finally {
      submit.disabled = false;
    }
  };
  const form = h("form.card.form-card", { onsubmit }, h("h3", title), about && h("p.quiet", about), fields, wrong, h("div.buttons", submit));
  return form;
}

/** A field for a new password; browsers offer to make one. */
export const newPassword = () => h("input", { type: "password", autocomplete: "new-password", minlength: 8, maxlength: 200, required: true });
