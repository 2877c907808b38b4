// One's own password.

import { t } from "../i18n.js";
import { field, fill, h } from "./parts/dom.js";
import { formCard, newPassword } from "./parts/form.js";
import { toast } from "./parts/toast.js";

export function showPassword(place, context) {
  const { name, role } = context.session.user;
  const old = h("input", { type: "password", autocomplete: "current-password", required: true });
  const fresh = newPassword();
  const form = formCard({
    title: t("password.title"),
    about: t("password.about", { name, role: t(`role.${role}`) }),
    fields: [h("input", { type: "text", autocomplete: "username", value: name, hidden: true }), field(t("password.old"), old), field(t("password.new"), fresh, t("password.least"))],
    action: t("password.change"),
    async send() {
      await context.call("POST", "studio/password", { body: { old: old.value, new: fresh.value } });
      form.reset();
      toast(t("password.changed"));
    },
  });
  fill(place, form);
}
