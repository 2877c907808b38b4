// A job under way: how far it is, how long it will still take, cancel; what went wrong in plain words.

import { t } from "../i18n.js";
import { button, fill, h, icon } from "./parts/dom.js";
import { follow, isOver } from "./parts/follow.js";
import { attempt } from "./parts/toast.js";

const STATES = { failed: "task.failed", cancelled: "task.cancelled", lost: "task.lost" };

export class JobPanel {
  #step;
  #options;
  #bar = h("progress");
  #what = h("p.job-what");
  #left = h("p.quiet", { role: "status" });
  #problem = h("div.notice.bad", { role: "alert", hidden: true });
  #running;

  /** @param start() begins a job and gives it; onDone(job) is told of one that has ended well. */
  constructor(step, { kind, start, onDone }) {
    this.#step = step;
    this.#options = { kind, start, onDone };
    this.#bar.setAttribute("aria-label", t(`task.${kind}`));
    this.#running = h("div.job", { hidden: true }, this.#what, this.#bar, this.#left);
    this.element = h("div", this.#running, this.#problem);
  }

  /** Follow `job`, or begin one where there is none that runs. */
  async run(job) {
    const { start, onDone, kind } = this.#options;
    this.#problem.hidden = true;
    let now = job && !isOver(job) ? job : null;
    if (!now) {
      this.#show({ what: "", done: 0, total: 0, secondsLeft: null });
      now = await attempt(start);
    }
    if (!now) return this.#fail({ state: "failed", error: "" });
    this.#step.command(now.command);
    const cancel = button(t("task.cancel"), () => attempt(() => this.#step.call("DELETE", `studio/jobs/${now.id}`)));
    this.#step.noMain(cancel, h("p.quiet", t("task.closable")));
    try {
      now = await follow(this.#step.call, now, { signal: this.#step.signal, onStep: (at) => this.#show(at) });
    } catch (error) {
      if (error.name === "AbortError") return undefined;
      return this.#fail({ state: "failed", error: error.message || t("error.network") });
    }
    this.#running.hidden = true;
    if (now.state !== "done") return this.#fail(now);
    this.#step.context.announce(t(`task.${kind}.done`));
    try {
      return await onDone(now);
    } catch (error) {
      if (error.name === "AbortError") return undefined;
      return this.#fail({ state: "failed", error: error.message || t("error.network") });
    }
  }

  #show({ what, done, total, secondsLeft, state }) {
    this.#running.hidden = false;
    const key = `work.${what}`;
    this.#what.textContent = state === "waiting" ? t("task.waiting") : hasWords(key) ? t(key) : what || t("work.Starting");
    if (total > 0) Object.assign(this.#bar, { max: total, value: done });
    else this.#bar.removeAttribute("value");
    this.#left.textContent = secondsLeft === null || secondsLeft === undefined ? "" : timeLeft(secondsLeft);
  }

  #fail({ state, error }) {
    this.#running.hidden = true;
    fill(this.#problem, icon("error"), h("div", h("strong", t(STATES[state])), error && h("p", error), h("p.quiet", t(`task.todo.${state}`))));
    this.#problem.hidden = false;
    this.#step.main({ words: t("task.again"), icon: "reset", run: () => this.run(null) });
  }
}

const hasWords = (key) => {
  try {
    t(key);
    return true;
  } catch {
    return false;
  }
};

function timeLeft(seconds) {
  if (seconds < 5) return t("task.soon");
  if (seconds < 90) return t("task.seconds", { count: Math.ceil(seconds / 5) * 5 });
  return t("task.minutes", { count: Math.ceil(seconds / 60) });
}
