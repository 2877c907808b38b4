// What is done beside the service, followed until its end.

const PAUSE = 500; // ms

/** Whether nothing more will come of a job. */
export const isOver = (job) => !["waiting", "running"].includes(job.state);

/** Ask for `job` again and again until it is over; `onStep(job)` is told each time. Returns what it was in the end. */
export async function follow(call, job, { onStep = () => {}, signal = null } = {}) {
  for (let now = job; ; ) {
    onStep(now);
    if (isOver(now)) return now;
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    signal?.throwIfAborted();
    now = await call("GET", `studio/jobs/${job.id}`, { signal });
  }
}
