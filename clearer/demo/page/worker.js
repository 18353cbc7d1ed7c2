// Restores pictures off the page's own thread.
//
// In:  {type: "load", backend, about, model}  then  {type: "restore", id, width, height, pixels, sigma}
//      and {type: "stop"}
// Out: ready, noisy (where sigma is not 0), tile (one after the other), done, stopped, failed

const LEAST_TILE = 512;
// Tiles begin at multiples of this, the most that a network pads to: then its coarse scales see the
// same blocks of pixels as in the whole picture. Elsewhere they differ by up to 30 of 255 levels;
// so, with a margin of 64, a trained network's tiles differed by less than 0.001.
const LEAST_ALIGNMENT = 32;
const MAX_THREADS = 8;

let session, ort;
let io; // how pictures go into the network: channels, element, layout, scale, isBgr, multiple, takesLevel, margin
let estimateLevel; // loaded where the network takes a noise level
let level = 0; // of the noise in the present picture, 0 to 255
let alignment;
let tile; // about the largest side of what the network sees at once: bounds its memory
let margin; // of each tile, thrown away where another tile goes on
let current = 0;

onmessage = async ({ data }) => {
  try {
    if (data.type === "load") await load(data);
    else if (data.type === "stop") current = 0;
    else await restore(data);
  } catch (error) {
    postMessage({ type: "failed", id: data.id, text: String(error.message ?? error) });
  }
};

async function load({ backend, about, model }) {
  const runtime = backend === "webgpu" ? "./ort/ort.webgpu.min.mjs" : "./ort/ort.wasm.min.mjs";
  ort = await import(runtime);
  ort.env.logLevel = "error";
  ort.env.wasm.wasmPaths = new URL("ort/", self.location.href).href;
  // Threads share memory, which browsers allow to isolated pages only (COOP and COEP headers).
  const threads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, MAX_THREADS) : 1;
  ort.env.wasm.numThreads = threads;
  // Warnings would go to the console as errors: with WebGPU there is one for each network.
  const options = { executionProviders: [backend], logSeverityLevel: 3 };
  session = await ort.InferenceSession.create(model, options);
  io = about;
  alignment = multipleOf(LEAST_ALIGNMENT, io.multiple);
  margin = multipleOf(io.margin, alignment);
  tile = Math.max(LEAST_TILE, 4 * margin); // keeps half of its side at least
  if (io.takesLevel) ({ estimateLevel } = await import("./level.js"));
  postMessage({ type: "ready", backend, threads });
}

async function restore({ id, width, height, pixels, sigma }) {
  current = id;
  const isGray = hasOnlyGray(pixels);
  const clean = sigma > 0 ? toPlanes(pixels, isGray) : null;
  const noisy = clean?.map((plane, index) => addNoise(plane, sigma / 255, index));
  if (noisy) postMessage({ type: "noisy", id, pixels: toPixels(noisy, pixels) });
  if (io.takesLevel) {
    const value = noisy
      ? (x, y, channel) => noisy[channel][y * width + x]
      : (x, y, channel) => pixels[4 * (y * width + x) + channel] / 255;
    level = estimateLevel(width, height, isGray ? 1 : 3, value);
  }
  const columns = spans(width);
  const rows = spans(height);
  const total = columns.length * rows.length;
  let done = 0;
  let ms = 0;
  let error = 0;
  for (const y of rows) {
    for (const x of columns) {
      await new Promise((resume) => setTimeout(resume)); // lets a newer request arrive
      if (current !== id) return postMessage({ type: "stopped", id });
      const [across, down] = [x.to - x.from, y.to - y.from];
      const seen = noisy
        ? noisy.map((plane) => cut(plane, width, x.from, y.from, x.to, y.to))
        : toPlanes(cut(pixels, width, x.from, y.from, x.to, y.to, 4), isGray);
      const start = performance.now();
      const restored = await run(seen, across, down);
      ms += performance.now() - start;
      const kept = restored.map((plane) =>
        cut(plane, across, x.start - x.from, y.start - y.from, x.end - x.from, y.end - y.from),
      );
      if (clean) error += squaredError(kept, clean.map((plane) => cut(plane, width, x.start, y.start, x.end, y.end)));
      const made = toPixels(kept, cut(pixels, width, x.start, y.start, x.end, y.end, 4));
      done += 1;
      const place = { x: x.start, y: y.start, width: x.end - x.start, height: y.end - y.start };
      postMessage({ type: "tile", id, done, total, ...place, pixels: made }, [made.buffer]);
    }
  }
  const quality = clean && {
    before: psnr(squaredError(noisy, clean, false) / (width * height * clean.length)),
    after: psnr(error / (width * height * clean.length)),
  };
  postMessage({ type: "done", id, ms, total, quality });
}

// Where tiles lie along a side: what is seen (from, to) and what is kept of it (start, end).
// All keep equally much, up to rounding.
function spans(length) {
  const count = length <= tile ? 1 : Math.ceil((length - 2 * margin) / (tile - 2 * margin));
  const border = (index) =>
    index === count ? length : alignment * Math.round((index * length) / count / alignment);
  return Array.from({ length: count }, (_, index) => {
    const [start, end] = [border(index), border(index + 1)];
    return { from: Math.max(0, start - margin), to: Math.min(length, end + margin), start, end };
  });
}

// A gray network restores each channel as a picture of its own; one for colour sees a gray picture
// as three equal channels, and their mean is kept.
async function run(planes, width, height) {
  if (io.channels === 1) {
    const restored = [];
    for (const plane of planes) restored.push(await infer([plane], width, height));
    return restored;
  }
  const isGray = planes.length === 1;
  const data = await infer(isGray ? [planes[0], planes[0], planes[0]] : planes, width, height);
  const size = width * height;
  const all = [0, 1, 2].map((index) => data.subarray(index * size, (index + 1) * size));
  return isGray ? [all[0].map((value, i) => (value + all[1][i] + all[2][i]) / 3)] : all;
}

// Planes in [0, 1] as the network takes them, reflect-padded to the sides that it needs, and back.
async function infer(planes, width, height) {
  const [columns, rows] = [multipleOf(width, io.multiple), multipleOf(height, io.multiple)];
  const count = planes.length;
  const isBytes = io.element === "uint8";
  const data = new (isBytes ? Uint8ClampedArray : Float32Array)(count * rows * columns);
  for (let y = 0, i = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++, i++) {
      const from = reflected(y, height) * width + reflected(x, width);
      for (let c = 0; c < count; c++) data[place(c, i, count, rows * columns)] = io.scale * planes[c][from];
    }
  }
  const dims = io.layout === "NHWC" ? [1, rows, columns, count] : [1, count, rows, columns];
  const given = { [session.inputNames[0]]: new ort.Tensor(io.element, isBytes ? new Uint8Array(data.buffer) : data, dims) };
  if (io.takesLevel) given.sigma = new ort.Tensor("float32", [level], [1]);
  const results = await session.run(given);
  const output = results[session.outputNames[0]];
  if (String(output.dims) !== String(dims)) {
    throw new Error(`the model gives ${output.dims} for ${dims}: it is not image to image`);
  }
  const restored = new Float32Array(count * height * width);
  for (let c = 0; c < count; c++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const value = output.data[place(c, y * columns + x, count, rows * columns)];
        restored[(c * height + y) * width + x] = value / io.scale;
      }
    }
  }
  return restored;
}

// Where a network wants channel c of pixel i.
function place(c, i, count, size) {
  const channel = io.isBgr ? count - 1 - c : c;
  return io.layout === "NHWC" ? i * count + channel : channel * size + i;
}

function reflected(index, length) {
  return Math.max(0, Math.min(index, 2 * (length - 1) - index));
}

function multipleOf(length, multiple) {
  return Math.ceil(length / multiple) * multiple;
}

function hasOnlyGray(pixels) {
  for (let i = 0; i < pixels.length; i += 4) {
    if (pixels[i] !== pixels[i + 1] || pixels[i] !== pixels[i + 2]) return false;
  }
  return true;
}

// RGBA, 8 bit, to one plane or three, in [0, 1].
function toPlanes(pixels, isGray) {
  const count = pixels.length / 4;
  return (isGray ? [0] : [0, 1, 2]).map((channel) => {
    const plane = new Float32Array(count);
    for (let i = 0; i < count; i++) plane[i] = pixels[4 * i + channel] / 255;
    return plane;
  });
}

// Planes to RGBA, rounded and clipped; the alpha of another picture stays.
function toPixels(planes, alphaOf) {
  const pixels = new Uint8ClampedArray(4 * planes[0].length);
  for (let i = 0; i < planes[0].length; i++) {
    for (let channel = 0; channel < 3; channel++) {
      pixels[4 * i + channel] = 255 * planes[planes.length === 1 ? 0 : channel][i];
    }
    pixels[4 * i + 3] = alphaOf[4 * i + 3];
  }
  return pixels;
}

// A rectangle of a picture with step values per pixel.
function cut(plane, stride, left, top, right, bottom, step = 1) {
  const piece = new plane.constructor((right - left) * (bottom - top) * step);
  for (let y = top; y < bottom; y++) {
    const row = plane.subarray((y * stride + left) * step, (y * stride + right) * step);
    piece.set(row, (y - top) * (right - left) * step);
  }
  return piece;
}

function squaredError(planes, truth, isClipped = true) {
  let sum = 0;
  planes.forEach((plane, index) => {
    for (let i = 0; i < plane.length; i++) {
      const value = isClipped ? Math.min(1, Math.max(0, plane[i])) : plane[i];
      sum += (value - truth[index][i]) ** 2;
    }
  });
  return sum;
}

function psnr(meanSquaredError) {
  return -10 * Math.log10(meanSquaredError);
}

// Gaussian noise that is neither clipped nor rounded, the same for a picture each time.
function addNoise(plane, sigma, seed) {
  const uniform = mulberry32(seed + 1);
  const noisy = new Float32Array(plane.length);
  for (let i = 0; i < plane.length; i += 2) {
    const radius = sigma * Math.sqrt(-2 * Math.log(1 - uniform())); // Box-Muller
    const angle = 2 * Math.PI * uniform();
    noisy[i] = plane[i] + radius * Math.cos(angle);
    if (i + 1 < plane.length) noisy[i + 1] = plane[i + 1] + radius * Math.sin(angle);
  }
  return noisy;
}

// Tommy Ettinger's generator of 32 bits of state; uniform in [0, 1).
function mulberry32(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
