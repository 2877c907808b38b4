// Judge a picture by inference_complete.onnx: node judge.mjs MODEL PICTURE. Exit status: 0 OK, 1 NG, 2 no verdict.
import { readFile } from "node:fs/promises";
import { InferenceSession, Tensor } from "onnxruntime-node";
import sharp from "sharp";

/** The verdict about the picture; throws whatever goes wrong. */
async function judge(model, picture) {
  const file = await readFile(model);
  const session = await InferenceSession.create(file);
  const { depth } = await sharp(picture).metadata();
  if (depth !== "uchar") throw new Error(`${picture} is not a picture of 8 bits, but ${depth}`);
  const { data, info } = await sharp(picture, { ignoreIcc: true })
    .rotate() // as EXIF says
    .removeAlpha()
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  // ONNX Runtime does not tell JavaScript the metadata; in the file, the value of a key follows it and two bytes (tag and length)
  const orders = ["RGB", "BGR"].filter((order) => file.includes(`colour_order\x12\x03${order}`));
  if (orders.length !== 1) throw new Error(`${model} does not say its colour_order`);
  if (orders[0] === "BGR") {
    for (let i = 0; i < data.length; i += 3) [data[i], data[i + 2]] = [data[i + 2], data[i]];
  }
  const image = new Tensor("uint8", data, [info.height, info.width, info.channels]);
  const answer = await session.run({ image });
  const score = answer.score.data[0];
  if (!Number.isFinite(score)) throw new Error("the score is not a finite number");
  return {
    score,
    isAnomalous: Boolean(answer.is_anomalous.data[0]),
    mapMaximum: answer.anomaly_map.data.reduce((highest, value) => Math.max(highest, value)),
    anomalousPixels: answer.mask.data.reduce((count, value) => count + (value === 255), 0),
  };
}

try {
  if (process.argv.length !== 4) throw new Error("usage: node judge.mjs MODEL PICTURE");
  const verdict = await judge(...process.argv.slice(2));
  console.log(JSON.stringify(verdict));
  process.exitCode = verdict.isAnomalous ? 1 : 0;
} catch (error) {
  // whatever it is, it is no verdict; and Node's own exit status would be NG
  console.error(`error: ${error.message}`.replaceAll("\n", " "));
  process.exitCode = 2;
}
