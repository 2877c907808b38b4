// The scale of scores, as paddlex/inference/postprocess.py has it: the same operations on the same doubles in the same
// order, so that a decision of this page is the decision of the service, to the last bit.

/** Where normal ends on a scale of raw scores: above `threshold` is anomalous, `typical` is the median of what is normal. */
export class Limit {
  constructor(threshold, typical = 0) {
    this.threshold = threshold;
    this.typical = typical;
  }

  /** The same scale with another threshold; above `typical` that stays at 0.25, else the width of the scale stays. */
  movedTo(threshold) {
    if (threshold > this.typical) return new Limit(threshold, this.typical);
    return new Limit(threshold, threshold - (this.threshold - this.typical));
  }

  get width() {
    return Math.max(this.threshold - this.typical, 1e-12);
  }

  /** A raw score on 0..1: typical is at 0.25, the threshold at 0.5, as far above it at 0.75. */
  normalise(raw) {
    const u = (raw - this.threshold) / this.width;
    return 0.5 * (1 + u / (1 + Math.abs(u)));
  }

  /** The raw score that stands at `score`, which is above 0 and below 1: the inverse of `normalise`. */
  rawAt(score) {
    const v = 2 * score - 1;
    return this.threshold + (v / (1 - Math.abs(v))) * this.width;
  }
}

/**
 * How many normal images a threshold would call anomalous: the count, the share, and Wilson's 95 % interval of the rate
 * (Wilson, 1927). Null where there are no scores of normal images.
 */
export function falseAlarms(normalScores, threshold) {
  const n = normalScores.length;
  if (n === 0) return null;
  const above = normalScores.reduce((count, score) => count + (score > threshold ? 1 : 0), 0);
  const z = 1.959963984540054; // the 97.5 % quantile of the standard normal distribution
  const share = above / n;
  const centre = (share + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const half = (z / (1 + (z * z) / n)) * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n));
  return { above, n, share, low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}
