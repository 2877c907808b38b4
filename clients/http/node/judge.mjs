// Ask the service about one picture: node judge.mjs URL PICTURE (Node 18 or later). Exit status: 0 OK, 1 NG, 2 no verdict.
import { readFile } from "node:fs/promises";

/** Whether the part in the picture is anomalous, and its score; throws if there is no verdict. */
async function judge(url, picture) {
  const response = await fetch(`${url}/image-anomaly-detection`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-API-Key": process.env.PADDLEX_API_KEY ?? "" },
    body: JSON.stringify({ image: (await readFile(picture)).toString("base64"), visualize: false }),
    signal: AbortSignal.timeout(60_000),
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`HTTP status ${response.status}: ${text.slice(0, 1000)}`);
  const { errorCode, errorMsg, result } = JSON.parse(text);
  if (errorCode !== 0 || typeof result?.isAnomalous !== "boolean" || !Number.isFinite(result.score)) {
    throw new Error(`no verdict: ${errorMsg}`);
  }
  return result;
}

try {
  if (process.argv.length !== 4) throw new Error("usage: node judge.mjs URL PICTURE");
  const { isAnomalous, score } = await judge(...process.argv.slice(2));
  console.log(isAnomalous ? "NG" : "OK", score.toFixed(6));
  process.exitCode = isAnomalous ? 1 : 0;
} catch (error) {
  // whatever it is, it is no verdict; and Node's own exit status would be NG
  console.error(`error: ${error.cause?.message ?? error.message}`.replaceAll("\n", " "));
  process.exitCode = 2;
}
