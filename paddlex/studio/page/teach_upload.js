// Pictures on their way to the studio: a few at a time, however many are chosen.

import { t } from "../i18n.js";
import { h, button, fill } from "./parts/dom.js";

const BATCH = 8;
const BATCH_BYTES = 16 * 1024 * 1024;
const LONGEST_WAIT = 15; // seconds
const FAILURES = 4;

const isBusy = (code) => code === 503 || code === 429;

export class Upload {
  #call;
  #path;
  #onAdded;
  #queue = [];
  #done = 0;
  #all = 0;
  #known = 0; // that were there already
  #failed = []; // {name, words}
  #isSending = false;
  #abort = new AbortController();
  #bar = h("progress", { "aria-label": t("upload.progress") });
  #words = h("span", { role: "status" });
  #trouble = h("div.notice", { role: "alert", hidden: true });

  /** @param onAdded(members) is told of what has arrived. */
  constructor({ call, path, signal, onAdded }) {
    this.#call = call;
    this.#path = path;
    this.#onAdded = onAdded;
    signal.addEventListener("abort", () => this.cancel());
    this.progress = h("div.progress", { hidden: true }, this.#bar, this.#words, button(t("cancel"), () => this.cancel()));
    this.element = h("div.uploading", this.progress, this.#trouble);
  }

  get isBusy() {
    return this.#isSending;
  }

  /** Send files, as good parts or as known bad ones ("challenge"). */
  async add(files, role, source = "import") {
    this.#queue.push(...files.map((file) => ({ file, role, source })));
    this.#all += files.length;
    if (this.#isSending) return this.#render();
    this.#isSending = true;
    [this.#failed, this.#known] = [[], 0];
    this.#abort = new AbortController();
    while (this.#queue.length && !this.#abort.signal.aborted) {
      this.#render();
      await this.#send(this.#nextBatch());
    }
    this.#isSending = false;
    [this.#done, this.#all] = [0, 0];
    this.#render();
  }

  cancel() {
    this.#queue = [];
    this.#abort.abort();
  }

  #nextBatch() {
    const batch = [this.#queue.shift()];
    let bytes = batch[0].file.size;
    while (this.#queue.length && batch.length < BATCH && this.#queue[0].role === batch[0].role && this.#queue[0].source === batch[0].source) {
      bytes += this.#queue[0].file.size;
      if (bytes > BATCH_BYTES) break;
      batch.push(this.#queue.shift());
    }
    return batch;
  }

  async #send(batch, failures = 0) {
    const form = new FormData();
    for (const { file } of batch) form.append("files", file, file.webkitRelativePath || file.name);
    const [{ role, source }] = batch;
    const { signal } = this.#abort;
    try {
      const { pictures } = await this.#call("POST", `${this.#path}/pictures`, { query: { role, source }, form, signal });
      this.#done += batch.length;
      this.#settle(pictures, batch);
    } catch (error) {
      if (signal.aborted) return;
      if (error.code === undefined) throw error;
      if (error.code === 413 && batch.length > 1) {
        for (const one of batch) await this.#send([one]);
      } else if ((isBusy(error.code) || error.code === 0) && failures < FAILURES) {
        await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(error.retryAfter ?? 2 ** failures, LONGEST_WAIT)));
        await this.#send(batch, failures + 1);
      } else {
        this.#done += batch.length;
        this.#failed.push(...batch.map(({ file }) => ({ name: file.name, words: error.message || t("error.network") })));
      }
    }
  }

  #settle(pictures, batch) {
    const again = [];
    pictures.forEach((picture, i) => {
      if (!picture.errorCode) return;
      if (picture.errorCode === 409) this.#known += 1;
      else if (isBusy(picture.errorCode)) again.push(batch[i]);
      else this.#failed.push({ name: batch[i].file.name, words: picture.errorMsg });
    });
    this.#done -= again.length;
    this.#queue.push(...again);
    this.#onAdded(pictures.filter(({ errorCode }) => !errorCode));
  }

  #render() {
    this.progress.hidden = !this.#isSending;
    this.#bar.max = Math.max(1, this.#all);
    this.#bar.value = this.#done;
    this.#words.textContent = t("upload.text", { done: this.#done, all: this.#all });
    const words = [
      this.#known > 0 && h("p", t("upload.known", { count: this.#known })),
      ...this.#failed.slice(0, 5).map(({ name, words: why }) => h("p", t("upload.failed", { name, words: why }))),
      this.#failed.length > 5 && h("p", t("upload.more", { count: this.#failed.length - 5 })),
    ].filter(Boolean);
    fill(this.#trouble, words);
    this.#trouble.hidden = words.length === 0;
  }
}
