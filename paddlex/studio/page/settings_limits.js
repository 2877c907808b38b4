// What is kept, when shifts begin, and who is told of drift.

import { t } from "../i18n.js";
import { field, fill, h } from "./parts/dom.js";
import { formCard } from "./parts/form.js";
import { attempt, toast } from "./parts/toast.js";

export async function showLimits(place, context) {
  const names = ["retention", "shifts", "webhook"];
  const [retention, shifts, webhook] = await Promise.all(names.map((name) => attempt(() => context.call("GET", `studio/settings/${name}`))));
  const save = async (name, body) => {
    await context.call("PUT", `studio/settings/${name}`, { body });
    toast(t("settings.saved"));
  };
  fill(place, h("div.cards", retention && retentionForm(retention, save), shifts && shiftsForm(shifts, save), webhook && webhookForm(webhook, save)));
}

const orNull = (input) => (input.value === "" ? null : input.valueAsNumber);

function retentionForm({ days, gigabytes }, save) {
  const most = (value, attributes) => h("input", { type: "number", min: 0.001, step: "any", inputmode: "decimal", value: value ?? "", placeholder: t("retention.unlimited"), ...attributes });
  const [age, space] = [most(days, { max: 36500 }), most(gigabytes, { max: 1000000 })];
  return formCard({
    title: t("retention.title"),
    about: t("retention.about"),
    fields: [field(t("retention.days"), age), field(t("retention.gigabytes"), space)],
    action: t("settings.save"),
    send: () => save("retention", { days: orNull(age), gigabytes: orNull(space) }),
  });
}

function shiftsForm({ starts, timeZone }, save) {
  const times = [0, 1, 2, 3].map((i) => h("input", { type: "time", value: starts[i] ?? "", required: i === 0, "aria-label": t("shifts.start", { number: i + 1 }) }));
  const zones = Intl.supportedValuesOf?.("timeZone") ?? [];
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const zone = h("input", { type: "text", value: timeZone, list: "time-zones", required: true, spellcheck: "false" });
  return formCard({
    title: t("shifts.title"),
    about: t("shifts.about"),
    fields: [h("fieldset.times", h("legend", t("shifts.starts")), times), field(t("shifts.zone"), zone, t("shifts.zone.own", { zone: own })), h("datalist", { id: "time-zones" }, zones.map((name) => h("option", { value: name })))],
    action: t("settings.save"),
    send: () => save("shifts", { starts: times.map(({ value }) => value).filter(Boolean).sort(), timeZone: zone.value.trim() }),
  });
}

function webhookForm({ url, error = "" }, save) {
  const address = h("input", { type: "url", value: url ?? "", placeholder: "https://", maxlength: 2000, spellcheck: "false", autocomplete: "off" });
  return formCard({
    title: t("webhook.title"),
    about: t("webhook.about"),
    fields: [field(t("webhook.url"), address, t("webhook.none")), error && h("p.wrong", t("webhook.failed", { reason: error }))],
    action: t("settings.save"),
    send: () => save("webhook", { url: address.value.trim() || null }),
  });
}
