// What must be so before the page's own main.js runs, which begins by asking for the models and putting words into the page.

import { identity } from "../api.js";
import { addStrings } from "../i18n.js";
import { ask, csrf } from "./session.js";
import reviewEn from "./strings.review.en.js";
import reviewZh from "./strings.review.zh.js";
import shellEn from "./strings.shell.en.js";
import shellZh from "./strings.shell.zh.js";
import teachEn from "./strings.teach.en.js";
import teachZh from "./strings.teach.zh.js";

for (const further of [{ en: shellEn, zh: shellZh }, { en: teachEn, zh: teachZh }, { en: reviewEn, zh: reviewZh }]) addStrings(further);
identity.headers = () => (csrf() ? { "X-CSRF-Token": csrf() } : {});
identity.ask = ask;
