// After a correction the model learns anew by itself: soon, once for several that come together. This follows it to its end.

import { isOver } from "./parts/follow.js";

const PAUSE = 500; // ms
const GAP = 20_000; // ms between what was learnt and the look of the gate, or between that and the verdicts of the new version

/**
 * Wait until a product's model has learnt what is to be learnt.
 *
 * @param onStep({key, done, total}) is told what is being done: "soon", "learning" or "checking".
 * @returns {outcome, reason}: "live" (what was learnt judges now), "offered" (an engineer has yet to let it), "refused" (by the gate),
 *   "failed" or "none" (nothing was to be learnt).
 */
export async function learn(call, product, { onStep = () => {}, signal = null, since = 0 } = {}) {
  const path = `studio/products/${encodeURIComponent(product)}/refit`;
  let quiet = 0; // ms without anything at work
  for (;;) {
    const { isDue, job, offered } = await call("GET", path, { signal });
    const isNew = job && job.madeAt >= since;
    if (isNew && !isOver(job)) {
      quiet = 0;
      onStep({ key: job.kind === "gate" ? "checking" : "learning", done: job.done, total: job.total });
    } else if (isDue) {
      quiet = 0;
      onStep({ key: isNew ? "checking" : "soon" }); // between two of its steps
    } else if (isNew && ["failed", "cancelled", "lost"].includes(job.state)) {
      return { outcome: "failed", reason: job.error };
    } else if (isNew && job.kind === "gate") {
      const { passed } = job.result.gate ?? job.result;
      if (passed === false) return { outcome: "refused" };
      if (!offered) return { outcome: "live" };
      if (quiet > GAP / 4) return { outcome: "offered" };
      quiet += PAUSE;
    } else {
      if (quiet > (isNew ? GAP : GAP / 4)) return { outcome: "none" };
      quiet += PAUSE;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    signal?.throwIfAborted();
  }
}
