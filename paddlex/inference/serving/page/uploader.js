// Sends images to the service, a few at a time, however many wait: small batches, few in flight, and patience when the
// service is busy. The images themselves stay files on the disk until their batch is sent.

import { ServiceError, isJudgement, judge } from "./api.js";

const IN_FLIGHT = 2;
const BATCH_IMAGES = 4;
const BATCH_BYTES = 8 * 1024 * 1024;
const FAILURES = 4; // in a row, before a batch that is answered with 5xx or not at all counts as failed
const LONGEST_WAIT = 30; // seconds

const isBusy = (code) => code === 503 || code === 429;

export class Uploader {
  #queue = [];
  #flying = 0;
  #isRested = true;
  #pausedUntil = 0;
  #abort = new AbortController();
  #hooks;

  /**
   * @param hooks model() names the model; onResult(item, result) and onError(item, {code, message}) take what came of an
   *   image; isCurrent(result) says whether it is of the model that the page knows, onReplaced() is told that one is not,
   *   and sends everything anew; onKey() asks for an API key and resolves when there is one; onWait(seconds, code) is told of a pause;
   *   onIdle() of the end.
   */
  constructor(hooks) {
    this.#hooks = hooks;
  }

  get isBusy() {
    return this.#flying > 0 || this.#queue.length > 0;
  }

  add(items) {
    this.#queue.push(...items.map((item) => ({ item, isAlone: false })));
    this.#fill();
  }

  /** Stop what is under way and forget what waits: returns the items that are left without a result. */
  cancel() {
    this.#abort.abort();
    this.#abort = new AbortController();
    const left = this.#queue.map((entry) => entry.item);
    this.#queue = [];
    return left;
  }

  #fill() {
    while (this.#flying < IN_FLIGHT && this.#queue.length) {
      this.#flying += 1;
      this.#send(this.#nextBatch(), this.#abort.signal).finally(() => {
        this.#flying -= 1;
        this.#fill();
        if (this.isBusy) return;
        this.#isRested = true;
        this.#hooks.onIdle();
      });
    }
  }

  /** The first image after a rest goes alone: its verdict is waited for. */
  #nextBatch() {
    const batch = [this.#queue.shift()];
    const most = this.#flying === 1 && this.#isRested ? 1 : BATCH_IMAGES;
    this.#isRested = false;
    let bytes = batch[0].item.file.size;
    while (this.#queue.length && batch.length < most && !batch[0].isAlone && !this.#queue[0].isAlone) {
      bytes += this.#queue[0].item.file.size;
      if (bytes > BATCH_BYTES) break;
      batch.push(this.#queue.shift());
    }
    return batch;
  }

  async #send(batch, signal) {
    const items = batch.map((entry) => entry.item);
    for (let failures = 0; ; ) {
      try {
        await this.#pause(signal);
        const results = await judge(items.map((item) => item.file), this.#hooks.model(), signal);
        if (signal.aborted) return;
        if (results.some((result) => isJudgement(result) && !this.#hooks.isCurrent(result))) {
          this.#pausedUntil = performance.now() + 1000; // two services behind one address may well differ for ever
          this.#hooks.onReplaced();
        } else this.#settle(items, results);
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof ServiceError)) {
          this.#fail(items, { code: 0, message: "error.answer" });
          throw error;
        }
        if (error.code === 0 && (await this.#dropGone(batch))) return;
        if (error.code === 401) await this.#hooks.onKey();
        else if (isBusy(error.code)) this.#rest(error.retryAfter ?? 1, error.code);
        else if (error.code === 413 && items.length > 1) return this.#sendAlone(items);
        else if (error.code >= 400 && error.code < 500) return this.#fail(items, error);
        else if (++failures >= FAILURES) return this.#fail(items, error);
        else this.#rest(0.5 * 2 ** (failures - 1), error.code);
      }
    }
  }

  /** What the service was too busy for comes again, after the others. */
  #settle(items, results) {
    const refused = [];
    results.forEach((result, i) => {
      const { errorCode: code, errorMsg: message } = result ?? {};
      if (isJudgement(result)) this.#hooks.onResult(items[i], result);
      else if (isBusy(code)) refused.push({ item: items[i], isAlone: false });
      else if (code) this.#hooks.onError(items[i], { code, message });
      else this.#hooks.onError(items[i], { code: 0, message: "error.answer" });
    });
    if (refused.length === 0) return;
    this.#queue.push(...refused);
    this.#rest(1, 503);
  }

  #fail(items, { code, message }) {
    for (const item of items) this.#hooks.onError(item, { code, message });
  }

  /**
   * A file that was moved or changed since it was chosen looks like a service that does not answer. If there are such files
   * in the batch, they have failed, and the others come again; returns whether there are.
   */
  async #dropGone(batch) {
    const isThere = await Promise.all(batch.map(({ item }) => item.file.slice(0, 1).arrayBuffer().then(() => true, () => false)));
    if (isThere.every(Boolean)) return false;
    this.#fail(batch.filter((_, i) => !isThere[i]).map((entry) => entry.item), { code: 0, message: "error.gone" });
    this.#queue.unshift(...batch.filter((_, i) => isThere[i]));
    return true;
  }

  /** A batch that is too large together: each image again, by itself. */
  #sendAlone(items) {
    this.#queue.unshift(...items.map((item) => ({ item, isAlone: true })));
  }

  /** Nothing is sent for so many seconds; a little more at random, so that pages do not come back all at once. */
  #rest(seconds, code) {
    const wait = Math.min(Math.max(seconds, 0.1), LONGEST_WAIT) * (1 + 0.2 * Math.random());
    this.#pausedUntil = Math.max(this.#pausedUntil, performance.now() + 1000 * wait);
    this.#hooks.onWait(wait, code);
  }

  async #pause(signal) {
    for (let left; (left = this.#pausedUntil - performance.now()) > 0; ) {
      await new Promise((resolve) => setTimeout(resolve, Math.min(left, 200)));
      if (signal.aborted) throw new DOMException("cancelled", "AbortError");
    }
  }
}
