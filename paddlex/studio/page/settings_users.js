// Who may use the studio, and as what.

import { t } from "../i18n.js";
import { tag } from "./parts/chip.js";
import { confirm, openDialog } from "./parts/dialog.js";
import { button, field, fill, h } from "./parts/dom.js";
import { formCard, newPassword } from "./parts/form.js";
import { exactly, when } from "./parts/format.js";
import { Grid } from "./parts/grid.js";
import { attempt, toast } from "./parts/toast.js";

const ROLES = ["operator", "engineer"];

export async function showUsers(place, context) {
  const own = context.session.user.name;
  const change = async (user, body, words) => {
    const answer = await attempt(() => context.call("PATCH", `studio/users/${encodeURIComponent(user.name)}`, { body }));
    if (answer !== undefined) toast(words);
    await load();
  };

  const roleOf = (user) =>
    h(
      "select",
      { "aria-label": t("users.role.of", user), disabled: user.name === own || !user.isActive, onchange: ({ target }) => change(user, { role: target.value }, t("users.role.changed", { name: user.name, role: t(`role.${target.value}`) })) },
      ROLES.map((role) => h("option", { value: role, selected: role === user.role }, t(`role.${role}`))),
    );

  const resetPassword = async (user) => {
    const fresh = newPassword();
    const check = async () => {
      if (!fresh.checkValidity()) return t("password.least");
      return context.call("PATCH", `studio/users/${encodeURIComponent(user.name)}`, { body: { password: fresh.value } }).then(
        () => "",
        (error) => error.message,
      );
    };
    const body = [h("p", t("users.reset.about", user)), field(t("password.new"), fresh, t("password.least"))];
    if (await openDialog({ title: t("users.reset.title", user), body: h("div.paragraphs", body), check, actions: [{ name: "yes", words: t("users.reset"), kind: "primary" }] })) toast(t("users.reset.done", user));
    await load();
  };

  const setActive = async (user) => {
    if (user.isActive && !(await confirm({ title: t("users.off.title", user), words: [t("users.off.about", user)], action: t("users.off"), isDangerous: true }))) return;
    await change(user, { isActive: !user.isActive }, t(user.isActive ? "users.off.done" : "users.on.done", user));
  };

  const actions = (user) =>
    user.name === own
      ? h("a", { href: "#settings" }, t("users.own"))
      : h("div.buttons", user.isActive && button(t("users.reset"), () => resetPassword(user)), button(t(user.isActive ? "users.off" : "users.on"), () => setActive(user)));

  const grid = new Grid({
    label: t("settings.users"),
    keyOf: ({ name }) => name,
    columns: [
      {
        head: t("users.name"),
        kind: "name-cell",
        cell: (user) => [
          h("span.row-name", { title: user.name }, user.name, " ", !user.isActive && tag(t("users.inactive")), user.lockedUntil > Date.now() && tag(t("users.locked", { at: when(user.lockedUntil) }), "caution")),
          h("span.about", t("users.since"), " ", h("time", { title: exactly(user.madeAt) }, when(user.madeAt))),
        ],
      },
      { head: t("users.role"), kind: "role-cell", cell: roleOf },
      { head: h("span.unseen", t("users.actions")), kind: "actions-cell", cell: actions },
    ],
  });

  async function load() {
    const answer = await attempt(() => context.call("GET", "studio/users"));
    if (answer) grid.show(answer.users, "");
  }

  const name = h("input", { type: "text", autocomplete: "off", autocapitalize: "none", spellcheck: "false", maxlength: 64, required: true });
  const role = h("select", ROLES.map((value) => h("option", { value }, t(`role.${value}.long`))));
  const password = newPassword();
  const form = formCard({
    title: t("users.add.title"),
    fields: [field(t("users.name"), name), field(t("users.role"), role), field(t("users.password"), password, t("password.least"))],
    action: t("users.add"),
    async send() {
      await context.call("POST", "studio/users", { body: { name: name.value.trim(), role: role.value, password: password.value } });
      toast(t("users.added", { name: name.value.trim() }));
      form.reset();
      await load();
    },
  });
  fill(place, h("div.side-by-side", h("section.card.list", grid.element), form));
  await load();
}
