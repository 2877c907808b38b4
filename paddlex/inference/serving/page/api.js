// The two calls that this page makes: GET models, POST judge. Addresses are relative, so that the page also works below
// a path of a reverse proxy.

const KEY = "apiKey";
let apiKey = recall();

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

/** What the service said instead of an answer; `code` is the HTTP status, 0 when it said nothing at all. */
export class ServiceError extends Error {
  constructor(code, message, retryAfter = null) {
    super(message);
    this.code = code;
    this.retryAfter = retryAfter; // seconds, or null
  }
}

/** The models that the service has loaded, a non-empty list. */
export async function fetchModels(signal) {
  const { models } = await call("models", { signal });
  if (!models?.length) throw new ServiceError(503, "no model is loaded");
  return models;
}

/** Have `files` judged by the model called `model`; one result or error for each, in their order. */
export async function judge(files, model, signal) {
  const body = new FormData();
  for (const file of files) body.append("files", file, file.name);
  const { results } = await call(`judge?model=${encodeURIComponent(model)}`, { method: "POST", body, signal });
  if (results?.length !== files.length) throw new ServiceError(502, `${results?.length} results for ${files.length} images`);
  return results;
}

async function call(address, options) {
  const headers = apiKey ? { "X-API-Key": apiKey } : {};
  let response;
  try {
    response = await fetch(address, { ...options, headers, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError(0, String(error.message ?? error));
  }
  const answer = await response.json().catch(() => null);
  if (response.ok && answer) return answer;
  const wait = Number.parseFloat(response.headers.get("Retry-After"));
  const message = answer?.errorMsg ?? response.statusText;
  throw new ServiceError(response.status, message, Number.isFinite(wait) ? wait : null);
}
