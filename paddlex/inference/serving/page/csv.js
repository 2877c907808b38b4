// The table as a file for a spreadsheet: RFC 4180, with the mark by which Excel knows UTF-8.

import { reasonOf } from "./i18n.js";

/** One row a judged image, error or waiting image; `state` says what the threshold is. */
export function toCsv(items, state) {
  const header = [
    "name", "verdict", "score", "raw_score", "threshold", "model_threshold", "anomalous_area", "regions",
    "width", "height", "model", "judged_at", "error", "product", "position",
  ];
  const rows = items.map((item) => {
    const isDone = item.status === "done";
    return [
      asText(item.name),
      { ok: "OK", ng: "NG" }[state.verdict(item)] ?? state.verdict(item),
      isDone ? state.score(item) : "",
      isDone ? item.raw : "",
      isDone ? state.limitOf(state.modelOf(item))?.threshold : "",
      isDone ? state.modelOf(item)?.threshold : "",
      isDone ? item.area : "",
      isDone ? item.regionCount : "",
      isDone ? item.size[1] : "",
      isDone ? item.size[0] : "",
      asText(item.model ?? ""),
      item.judgedAt?.toISOString() ?? "",
      item.error ? asText(reasonOf(item)) : "",
      asText(item.product ?? ""),
      isDone && !item.isFound ? "not found: wrong part or position" : "",
    ];
  });
  return "\ufeff" + [header, ...rows].map((row) => row.map(quote).join(",") + "\r\n").join("");
}

/** Text from outside: a spreadsheet would run what starts like a formula (OWASP, "CSV injection"). */
function asText(text) {
  return /^[=+\-@\t\r\n]/.test(text) ? `'${text}` : text;
}

function quote(value) {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Hand `text` to the user as a file. */
export function download(text, name, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // not before the browser has read it
}
