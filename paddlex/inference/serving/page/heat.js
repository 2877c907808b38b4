// From the service's heat map (8-bit gray, 128 at the pixel threshold) to colours. They mean the same on every image, and
// the same as in the pictures that `predict` writes: see heat_map in paddlex/inference/pictures.py.

// OpenCV's COLORMAP_TURBO at every 15th of its 256 places; linear between them.
const TURBO =
  "30123b 3f3e9c 4666dd 458cfd 2fb2f4 1ad4d0 22ebaa 52fa7a 8bff4b b7f735 dbe236 f5c53a fea130 f9751d e84b0c ce2d04 a91601 7a0403"
    .split(" ")
    .map((hex) => [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)));

/** Red, green and blue, 0..255, of a place on the scale, 0..1. */
export function colour(place) {
  const at = Math.min(Math.max(place, 0), 1) * (TURBO.length - 1);
  const i = Math.min(Math.floor(at), TURBO.length - 2);
  return TURBO[i].map((low, channel) => Math.round(low + (at - i) * (TURBO[i + 1][channel] - low)));
}

/** Where a pixel's score stands on the scale: 0 is typical of normal pixels, 0.5 the threshold, 1 far above it. */
const placeOf = (score) => (score < 0.5 ? Math.max(2 * score - 0.5, 0) : score);

// What is typical of normal stays clear, so that the part itself can be seen: no cover at the scale's lower end, full
// cover from just below the threshold.
const cover = (place) => Math.min(Math.max((place - 0.08) / 0.37, 0), 1);

const PIXELS = new Uint32Array(256); // gray value -> a pixel of ImageData
{
  const bytes = new Uint8ClampedArray(PIXELS.buffer);
  for (let gray = 0; gray < 256; gray++) {
    const place = placeOf(gray / 255);
    bytes.set([...colour(place), Math.round(255 * cover(place))], 4 * gray);
  }
}

/** Draw the heat map in `png`, a Blob, on `canvas`, which takes its size. */
export async function drawHeat(canvas, png) {
  // The values are measurements, not colours: nothing may be converted on the way.
  const gray = await createImageBitmap(png, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  canvas.width = gray.width;
  canvas.height = gray.height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(gray, 0, 0);
  gray.close();
  const image = context.getImageData(0, 0, canvas.width, canvas.height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < pixels.length; i++) pixels[i] = PIXELS[image.data[4 * i]];
  context.putImageData(image, 0, 0);
}

/** Draw the scale itself, one pixel high. */
export function drawLegend(canvas) {
  const context = canvas.getContext("2d");
  for (let x = 0; x < canvas.width; x++) {
    context.fillStyle = `rgb(${colour(x / (canvas.width - 1)).join(" ")})`;
    context.fillRect(x, 0, 1, 1);
  }
}
