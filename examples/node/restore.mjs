// Restore an 8-bit PNG: node restore.mjs model.onnx noisy.png restored.png [sigma]
import { readFileSync, writeFileSync } from "node:fs";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { PNG } from "pngjs";

const [modelPath, source, target, sigma = "25"] = process.argv.slice(2);
const session = await InferenceSession.create(modelPath);
// float32, N x C x H x W in [0, 1]; of "export --io image" uint8, N x H x W x C
const { type, shape } = session.inputMetadata[0];
const takesBytes = type === "uint8";
const channels = shape[takesBytes ? 3 : 1];
// A network with a level map takes the noise level, too: of each picture, or one for all, 0 to 255.
const level = new Tensor("float32", [Number(sigma)], [1]);

const { width, height, data: pixels } = PNG.sync.read(readFileSync(source)); // RGBA
const size = width * height;
const plane = (channel) => Uint8Array.from({ length: size }, (_, i) => pixels[4 * i + channel]);
const planes = [plane(0), plane(1), plane(2)];

// Planes of pixels in 0..255, count of them for each picture that the network sees.
async function restore(batch, count) {
  const data = new (takesBytes ? Uint8Array : Float32Array)(batch.length * size);
  const place = (index, i) => // of pixel i of a plane
    takesBytes ? (Math.floor(index / count) * size + i) * count + (index % count) : index * size + i;
  batch.forEach((values, index) => values.forEach((value, i) => {
    data[place(index, i)] = takesBytes ? value : value / 255;
  }));
  const n = batch.length / count;
  const dims = takesBytes ? [n, height, width, count] : [n, count, height, width];
  const given = [new Tensor(type, data, dims), level];
  const feeds = Object.fromEntries(session.inputNames.map((name, index) => [name, given[index]]));
  const results = await session.run(feeds);
  const output = results[session.outputNames[0]].data;
  return batch.map((_, index) =>
    Float32Array.from({ length: size }, (_, i) => output[place(index, i)] * (takesBytes ? 1 : 255)));
}

const isGray = planes.slice(1).every((other) => other.every((value, i) => value === planes[0][i]));
let restored;
if (channels === 1) {
  restored = await restore(isGray ? planes.slice(0, 1) : planes, 1); // each channel as a picture of its own
} else {
  restored = await restore(planes, 3);
  if (isGray) restored = [restored[0].map((value, i) => (value + restored[1][i] + restored[2][i]) / 3)];
}

const picture = new PNG({ width, height });
for (let i = 0; i < size; i++) {
  for (let channel = 0; channel < 3; channel++) {
    const value = restored[isGray ? 0 : channel][i];
    picture.data[4 * i + channel] = Math.round(Math.min(255, Math.max(0, value)));
  }
  picture.data[4 * i + 3] = 255;
}
writeFileSync(target, PNG.sync.write(picture, { colorType: isGray ? 0 : 2 }));
