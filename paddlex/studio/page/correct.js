// "This is good", "this is bad" below the verdict of the Judge view.

import { isJudgement, judge } from "../api.js";
import { details, memory } from "../details.js";
import { keepResult, state } from "../main.js";
import { Correcting } from "./correcting.js";
import { fetchBlob } from "./parts/blob.js";
import { attempt } from "./parts/toast.js";

const $ = (id) => document.getElementById(id);
let correcting = null;
state.remembers = true;

export function start(context) {
  memory.fetch = async ({ verdictId }) => {
    const [heat, { regions }] = await Promise.all([fetchBlob(`studio/verdicts/${verdictId}/heat`), context.call("GET", `studio/verdicts/${verdictId}`)]);
    return { heat, regions };
  };
  correcting?.close();
  correcting = new Correcting(context, $("frame"), { onCorrected, judgeAgain });
  $("verdict-actions").replaceChildren(correcting.element);
  render();
}

state.onChange(render);

function render() {
  const item = state.selected;
  const isJudged = item?.verdictId !== undefined && (item.status === "done" || item.correction !== undefined); // judged again, maybe
  $("verdict-actions").hidden = !isJudged;
  correcting?.show(isJudged ? verdictOf(item) : null);
}

/** What is corrected, as the history has it; once judged again, still the verdict that a person has corrected. */
function verdictOf(item) {
  const regions = details.get(item.id)?.regions ?? [];
  return { id: item.correction?.id ?? item.verdictId, isAnomalous: state.verdict(item) === "ng", isKept: true, size: item.size, regions, ...item.correction };
}

const itemOf = (id) => state.items.find((item) => (item.correction?.id ?? item.verdictId) === id);

function onCorrected({ id, corrected, correctedBy, correctedAt }) {
  const item = itemOf(id);
  if (!item) return;
  item.correction = corrected ? { id, corrected, correctedBy, correctedAt } : undefined;
  state.changed();
}

async function judgeAgain(id) {
  const item = itemOf(id);
  if (!item) return null; // cleared meanwhile
  item.status = "waiting";
  state.changed();
  const results = await attempt(() => judge([item.file], item.model));
  const result = isJudgement(results?.[0]) ? results[0] : null;
  if (result) keepResult(item, result);
  else item.status = "done"; // as it was judged before
  state.changed();
  return result;
}
