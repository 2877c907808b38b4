// Settings: one's own password, and for engineers the users, what is kept, shifts, the webhook, and the audit trail.

import { t } from "../i18n.js";
import { showAudit } from "./settings_audit.js";
import { showLimits } from "./settings_limits.js";
import { showPassword } from "./settings_password.js";
import { showUsers } from "./settings_users.js";
import { fill, h } from "./parts/dom.js";
import { tabs } from "./parts/tabs.js";

const PARTS = { password: showPassword, users: showUsers, limits: showLimits, audit: showAudit };

export async function mount(element, context) {
  const isEngineer = context.session.user.role === "engineer";
  const names = isEngineer ? Object.keys(PARTS) : ["password"];
  const current = names.includes(context.parts?.[0]) ? context.parts[0] : "password";
  const place = h("div.tab");
  const list = names.map((name) => ({ name, words: t(`settings.${name}`) }));
  fill(element, h("div.view-head", h("h2", t("nav.settings")), isEngineer && tabs("settings", list, current)), place);
  return (await PARTS[current](place, context)) ?? {};
}
