// What the studio answers as a file.

/** The file at `path`. Throws an Error with the studio's own words where there is none. */
export async function fetchBlob(path, signal) {
  const response = await fetch(path, { signal });
  if (response.ok) return response.blob();
  const answer = await response.json().catch(() => null);
  throw new Error(answer?.errorMsg ?? response.statusText);
}
