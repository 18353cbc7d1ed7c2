// Restore an 8-bit PNG: node restore.mjs model.onnx noisy.png restored.png
import { readFileSync, writeFileSync } from "node:fs";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { PNG } from "pngjs";

const [modelPath, source, target] = process.argv.slice(2);
const session = await InferenceSession.create(modelPath);
const channels = session.inputMetadata[0].shape[1]; // float32, N x C x H x W in [0, 1]

const { width, height, data: pixels } = PNG.sync.read(readFileSync(source)); // RGBA
const size = width * height;
const plane = (channel) => Float32Array.from({ length: size }, (_, i) => pixels[4 * i + channel] / 255);
const planes = [plane(0), plane(1), plane(2)];

async function restore(batch, count) {
  const data = new Float32Array(batch.length * size);
  batch.forEach((values, index) => data.set(values, index * size));
  const input = new Tensor("float32", data, [batch.length / count, count, height, width]);
  const results = await session.run({ [session.inputNames[0]]: input });
  const output = results[session.outputNames[0]].data;
  return batch.map((_, index) => output.subarray(index * size, (index + 1) * size));
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
    picture.data[4 * i + channel] = Math.round(255 * Math.min(1, Math.max(0, value)));
  }
  picture.data[4 * i + 3] = 255;
}
writeFileSync(target, PNG.sync.write(picture, { colorType: isGray ? 0 : 2 }));
