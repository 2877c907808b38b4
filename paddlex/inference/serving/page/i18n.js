// Two languages: what the browser prefers, until the user chooses.

import en from "./strings.en.js";
import zh from "./strings.zh.js";

const STRINGS = { en, zh };

const listeners = [];

let language = remembered() ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");

function remembered() {
  try {
    const stored = localStorage.getItem("language");
    return stored in STRINGS ? stored : null;
  } catch {
    return null; // storage is switched off
  }
}

/** Add words, or put others in the place of some: {en: {key: words}, zh: {…}}. */
export function addStrings(further) {
  for (const [name, words] of Object.entries(further)) Object.assign(STRINGS[name], words);
}

export const currentLanguage = () => language;

/** The string `key` in the page's language; {name} in it is replaced by `values.name`. */
export function t(key, values = {}) {
  const text = STRINGS[language][key];
  if (text === undefined) throw new Error(`there is no string ${key} in ${language}`);
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

export const decimal = (value, digits = 3) =>
  value.toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });

export const percent = (share, digits = 1) =>
  share.toLocaleString(language, { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits });

/** A raw score, as short as it may be: four significant digits. */
export const raw = (value) => value.toLocaleString(language, { maximumSignificantDigits: 4, useGrouping: false });

/** Why an item has no verdict, in words. */
export function reasonOf({ error }) {
  if (error.code === 0) return t(error.message || "error.network"); // the page's own words
  return t(error.code >= 500 ? "error.server" : "error.file", error);
}

/** Put the language's words into every element that names a string. */
export function translate() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = t("title");
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", t(element.dataset.label));
    if (element.tagName === "BUTTON") element.title = t(element.dataset.label);
  }
  for (const element of document.querySelectorAll("[data-placeholder]")) {
    element.placeholder = t(element.dataset.placeholder);
  }
}

/** Call `listener` after the user has chosen the other language. */
export const onLanguage = (listener) => listeners.push(listener);

export function toggleLanguage() {
  language = language === "en" ? "zh" : "en";
  try {
    localStorage.setItem("language", language);
  } catch {
    // then the choice lasts as long as the page
  }
  translate();
  for (const listener of listeners) listener();
}
