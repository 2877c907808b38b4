// What views ask the studio.

import { identity, request } from "../api.js";

/**
 * The JSON that the studio answers at `path`, "studio/…"; null where it answers nothing. Whoever is not signed in any more is asked
 * to, and then it goes on.
 *
 * @param query an object; what is null, undefined or "" in it is left out
 * @param body is sent as JSON
 * @param form a FormData, sent as it is
 * @throws ServiceError {code, message, answer}
 */
export async function call(method, path, { query = {}, body, form, signal } = {}) {
  const wanted = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const search = wanted.length ? `?${new URLSearchParams(wanted)}` : "";
  const content = body === undefined ? { body: form } : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  const bytes = form ? [...form.values()].reduce((sum, value) => sum + (value.size ?? 0), 0) : 0;
  for (;;) {
    try {
      return await request(path.replace(/^\//, "") + search, { method, signal, ...content }, isContent, bytes);
    } catch (error) {
      if (error.code !== 401) throw error;
      await identity.ask();
    }
  }
}

/** Errors of the service have a number. */
const isContent = (answer, response) => response.ok && !answer?.errorCode;
