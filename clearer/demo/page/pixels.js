// Pictures as pixels: out of files, blended, and into files.
//
// A picture in memory is {width, height, input, restored}: RGBA of 8 bits. Where nothing is restored
// yet, restored is the input.

import { tiff } from "./tiff.js";

const MAX_PIXELS = 4096 * 4096; // the largest canvas that phones draw
const STRIP = 2 ** 20; // pixels that are blended at once: bounds what it needs beside the picture

export async function decode(file) {
  let image;
  try {
    image = await createImageBitmap(file);
  } catch {
    throw new Error("not a picture that this browser can read");
  }
  const { width, height } = image;
  if (width * height > MAX_PIXELS) {
    image.close();
    const megapixels = (pixels) => (pixels / 1e6).toFixed(1);
    throw new Error(`${megapixels(width * height)} megapixels; the limit here is ${megapixels(MAX_PIXELS)}`);
  }
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  image.close();
  return { width, height, input: context.getImageData(0, 0, width, height).data };
}

// input + strength * (restored - input), rounded and clipped: 0 is the input, 1 what was restored.
export function blend({ width, input, restored }, strength, x, y, columns, rows) {
  const factor = Math.round(strength * 65536); // in whole numbers it is twice as fast
  const image = new ImageData(columns, rows);
  const { data } = image;
  for (let row = 0, to = 0; row < rows; row++) {
    const begin = 4 * ((y + row) * width + x);
    // The alpha of both is the same: it stays.
    for (let from = begin; from < begin + 4 * columns; from++, to++) {
      data[to] = input[from] + ((factor * (restored[from] - input[from]) + 32768) >> 16);
    }
  }
  return image;
}

// The same onto a canvas of the picture's size, strip by strip.
export function paint(canvas, picture, strength, { x, y, width, height }) {
  if (width === 0) return;
  const context = canvas.getContext("2d");
  const rows = Math.max(1, Math.floor(STRIP / width));
  for (let top = y; top < y + height; top += rows) {
    const image = blend(picture, strength, x, top, width, Math.min(rows, y + height - top));
    context.putImageData(image, x, top);
  }
}

// A file of what the picture is at a strength; quality, 0 to 1, is for JPEG.
export async function encode(picture, strength, type, quality) {
  const { width, height } = picture;
  if (type === "image/tiff") return tiff(blend(picture, strength, 0, 0, width, height));
  const canvas = new OffscreenCanvas(width, height);
  paint(canvas, picture, strength, { x: 0, y: 0, width, height });
  if (type === "image/jpeg") {
    // It knows no transparency: white lies behind.
    const context = canvas.getContext("2d");
    context.globalCompositeOperation = "destination-over";
    context.fillStyle = "white";
    context.fillRect(0, 0, width, height);
  }
  return canvas.convertToBlob({ type, quality });
}

// Pixels without any loss, to be put aside.
export function pack(pixels, width) {
  const image = new ImageData(pixels, width);
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas.convertToBlob();
}
