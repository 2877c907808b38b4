// The steps of teaching, in their order.

export const STEPS = ["pictures", "check", "regions", "fit", "threshold", "live"];

/** The least that a model can be made from, and what is a good beginning. */
export const FEWEST = 4;
export const GOOD_START = 30;

/** Which step comes next: the first that is open; of a product that is live, the first. */
export const nextStep = ({ steps }) => STEPS.find((step) => steps[step] !== "done") ?? STEPS[0];

/** Whether a step can be opened: pictures are needed for all others, a model for the last two. */
export function mayOpen({ steps }, step) {
  if (step === "pictures") return true;
  if (step === "threshold" || step === "live") return steps.fit === "done";
  return steps.pictures === "done";
}
