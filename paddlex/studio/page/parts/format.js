// Times and figures in the page's language.

import { currentLanguage, decimal, percent, t } from "../../i18n.js";

const format = (ms, options) => new Date(ms).toLocaleString(currentLanguage() === "zh" ? "zh-CN" : "en-GB", options);

/** A time of day with its date, in the time zone of whoever looks. */
export const when = (ms) => format(ms, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** The same with its year and zone: for a title. */
export const exactly = (ms) => format(ms, { dateStyle: "full", timeStyle: "long" });

export const dayOf = (ms) => format(ms, { day: "numeric", month: "short" });

export const timeOf = (ms) => format(ms, { hour: "2-digit", minute: "2-digit" });

/** A share with its interval; "?" where it is not known. */
export const share = (value, digits = 1) => (Number.isFinite(value) ? percent(value, digits) : "?");

export const number = (value, digits = 3) => (Number.isFinite(value) ? decimal(value, digits) : "–");

/** What false alarms are expected: "1 of 40 (2.5 %)". */
export const falseAlarmWords = (rate) =>
  rate && rate.of > 0 ? t("rate.short", { above: rate.above, of: rate.of, share: share(rate.share), low: share(rate.low), high: share(rate.high) }) : t("rate.unknown.short");

/** The page's own language of what the server says in two: {en, zh}. */
export const inWords = (words) => words?.[currentLanguage()] ?? words?.en ?? "";
