// What this page asks the service: GET models, POST judge; a studio asks more, by the same `request`. Addresses are relative, so that the page also works below
// a path of a reverse proxy.

const KEY = "apiKey";
const PATIENCE = 150; // seconds for an answer: the service takes 60 for an image at most
const BODY_RATE = 64 * 1024; // bytes of a request that may take a second more, as in the service's own limits
let apiKey = recall();

/**
 * Who asks: `headers()` go with every request, `ask()` asks the user who she is where the service wants to know, and
 * resolves when it does. A studio puts its own in their place.
 */
export const identity = { headers: () => (apiKey ? { "X-API-Key": apiKey } : {}), ask: null };

function recall() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null; // storage is switched off
  }
}

/** Use `key` from now on, until the tab is closed. */
export function setApiKey(key) {
  apiKey = key;
  try {
    sessionStorage.setItem(KEY, key);
  } catch {
    // then the key lasts as long as the page
  }
}

/** What the service said instead of an answer; `code` is the HTTP status, 0 when it said nothing at all; `answer` its JSON. */
export class ServiceError extends Error {
  constructor(code, message, retryAfter = null, answer = null) {
    super(message);
    this.code = code;
    this.retryAfter = retryAfter; // seconds, or null
    this.answer = answer;
  }
}

/** The models that the service has loaded; a list that is empty in a new studio only. */
export async function fetchModels(signal) {
  return (await request("models", { signal }, (answer) => Array.isArray(answer?.models))).models;
}

/**
 * Have `files` judged by the model called `model`; one result or error for each, in their order. (Where not one of them
 * can be judged, the answer has an error's status, but it has their errors all the same.)
 */
export async function judge(files, model, signal) {
  const body = new FormData();
  for (const file of files) body.append("files", file, file.name);
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  const isAnswer = (answer) => answer?.results?.length === files.length;
  const { results } = await request(`judge?model=${encodeURIComponent(model)}`, { method: "POST", body, signal }, isAnswer, bytes);
  return results;
}

/**
 * Whether a result is a judgement: everything that the page shows of one is there, the score is a number, and the verdict
 * follows from it.
 */
export function isJudgement(result) {
  const { errorCode, isAnomalous, rawScore, score, threshold, anomalousArea, size, regions, heatMap } = result ?? {};
  const areNumbers = [rawScore, score, threshold, anomalousArea, ...(size ?? [])].every(Number.isFinite);
  if (isAnomalous !== rawScore > threshold) return false;
  return errorCode === 0 && areNumbers && size?.length === 2 && Array.isArray(regions) && typeof heatMap === "string";
}

/**
 * The JSON that the service answers to a request of `bytes`, if `isAnswer` takes it for one; else a ServiceError. A network
 * that went away in between is not always noticed: who has waited long enough counts as not answered.
 */
export async function request(address, { signal, headers, ...options }, isAnswer, bytes = 0) {
  const abort = new AbortController();
  const cancel = () => abort.abort();
  const timer = setTimeout(cancel, 1000 * (PATIENCE + bytes / BODY_RATE));
  signal?.addEventListener("abort", cancel);
  let response;
  let answer;
  try {
    signal?.throwIfAborted();
    response = await fetch(address, { ...options, headers: { ...headers, ...identity.headers() }, cache: "no-store", signal: abort.signal });
    answer = await response.json().catch(() => null);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ServiceError(0, ""); // browsers do not say more
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", cancel);
  }
  if (isAnswer(answer, response)) return answer;
  const wait = Number.parseFloat(response.headers.get("Retry-After"));
  const message = answer?.errorMsg ?? response.statusText;
  throw new ServiceError(response.ok ? 502 : response.status, message, Number.isFinite(wait) ? wait : null, answer);
}
