// Judge pictures by inference_complete.onnx in the browser: copy the model beside this file, then serve this folder as static files.
import * as ort from "./node_modules/onnxruntime-web/dist/ort.wasm.min.mjs";

const MODEL = "inference_complete.onnx";
const [input, verdict, details, canvas] = ["picture", "verdict", "details", "shown"].map((id) => document.getElementById(id));
ort.env.wasm.numThreads = 1; // more need headers that not every server of static files can send

/** The session, and whether its pictures are BGR. */
async function load() {
  const response = await fetch(MODEL);
  if (!response.ok) throw new Error(`${MODEL}: HTTP status ${response.status}`);
  const file = new Uint8Array(await response.arrayBuffer());
  // ONNX Runtime does not tell JavaScript the metadata; in the file, the value of a key follows it and two bytes (tag and length)
  const text = new TextDecoder("latin1").decode(file);
  const orders = ["RGB", "BGR"].filter((order) => text.includes(`colour_order\x12\x03${order}`));
  if (orders.length !== 1) throw new Error(`${MODEL} does not say its colour_order`);
  return { session: await ort.InferenceSession.create(file), isBgr: orders[0] === "BGR" };
}

/** Its pixels as the canvas has them, RGBA; turned as EXIF says, colours as they are in the file. */
async function read(file) {
  const head = new Uint8Array(await file.slice(0, 25).arrayBuffer());
  if (head[1] === 0x50 && head[24] === 16) throw new Error(`${file.name} is not a picture of 8 bits`); // a PNG says it here
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

async function judge({ session, isBgr }, { data, width, height }) {
  const pixels = new Uint8Array(3 * width * height);
  for (let i = 0, channel = 0; channel < pixels.length; i += 4, channel += 3) {
    pixels[channel + (isBgr ? 2 : 0)] = data[i];
    pixels[channel + 1] = data[i + 1];
    pixels[channel + (isBgr ? 0 : 2)] = data[i + 2];
  }
  const answer = await session.run({ image: new ort.Tensor("uint8", pixels, [height, width, 3]) });
  const score = answer.score.data[0];
  if (!Number.isFinite(score)) throw new Error("the score is not a finite number");
  return {
    score,
    isAnomalous: Boolean(answer.is_anomalous.data[0]),
    mapMaximum: answer.anomaly_map.data.reduce((highest, value) => Math.max(highest, value)),
    mask: answer.mask.data,
  };
}

function show({ mask, ...said }, picture) {
  mask.forEach((value, i) => value && picture.data.set([220, 38, 38], 4 * i));
  canvas.getContext("2d").putImageData(picture, 0, 0);
  canvas.hidden = false;
  verdict.value = verdict.className = said.isAnomalous ? "NG" : "OK";
  details.textContent = JSON.stringify({ ...said, anomalousPixels: mask.reduce((count, value) => count + (value === 255), 0) });
}

/** Does some work; whatever fails, there is no verdict on the page, but what is wrong. */
async function attempt(work) {
  verdict.value = verdict.className = "";
  canvas.hidden = true;
  try {
    await work();
  } catch (error) {
    details.textContent = `No verdict: ${error.message}`;
  }
}

await attempt(async () => {
  const model = await load();
  input.addEventListener("change", async () => {
    input.disabled = true; // one after the other
    await attempt(async () => {
      details.textContent = "Judging…";
      const picture = await read(input.files[0]);
      show(await judge(model, picture), picture);
    });
    input.disabled = false;
  });
  input.disabled = false;
  details.textContent = "Ready.";
});
