// How strong the white noise of a picture is: as clearer/restoring/noise_level.py finds it, in its simplest form.
// Of patches of 8x8, the smoothest show the noise in their high frequencies.

const SIDE = 8;
const FIRST_HIGH = 9; // coefficient (u, v) counts as high from this u + v on
const MOST_PATCHES = 20_000;
const SMOOTHEST = 400;
const ROOM = 0.2; // from black and white: nearer, noise is clipped; less where there is no other

// waves[u][i] of the cosine transform
const waves = Array.from({ length: SIDE }, (_, u) =>
  Float64Array.from({ length: SIDE }, (_, i) =>
    Math.sqrt((u ? 2 : 1) / SIDE) * Math.cos((Math.PI * u * (2 * i + 1)) / (2 * SIDE))));

// Standard deviation on the scale 0 to 255. pixels(x, y, channel) gives 0 to 1.
export function estimateLevel(width, height, channels, pixels) {
  const [columns, rows] = [width - SIDE + 1, height - SIDE + 1];
  if (columns < 1 || rows < 1) return 0;
  const step = Math.max(1, Math.sqrt((columns * rows) / MOST_PATCHES));
  const patches = [];
  for (let y = 0; y < rows; y += step) {
    for (let x = 0; x < columns; x += step) {
      patches.push(measure(Math.floor(x), Math.floor(y), channels, pixels));
    }
  }
  patches.sort((one, other) => other.room - one.room);
  const most = patches[Math.floor(patches.length / 10)].room;
  const first = deviation(patches, Math.min(ROOM, most));
  return 255 * deviation(patches, Math.min(3 * first, most)); // now that it is known how much is clipped
}

// Of the smoothest patches whose means are so far from black and white.
function deviation(patches, least) {
  const used = patches.filter(({ room }) => room >= least).sort((one, other) => one.low - other.low);
  const smooth = used.slice(0, SMOOTHEST);
  const variances = smooth[0].high.map((_, k) =>
    smooth.reduce((sum, { high }) => sum + high[k] ** 2, 0) / smooth.length).sort((a, b) => a - b);
  const middle = variances.length / 2;
  const median = (variances[Math.ceil(middle) - 1] + variances[Math.floor(middle)]) / 2;
  // The median of variances of few values is below their mean (Wilson and Hilferty).
  return Math.sqrt(median / (1 - 2 / (9 * smooth.length)) ** 3);
}

// Energy of a patch in the low coefficients, its high ones, and how far its means are from black and white.
function measure(left, top, channels, pixels) {
  const found = { low: 0, high: [], room: 1 };
  for (let channel = 0; channel < channels; channel++) {
    const rows = Array.from({ length: SIDE }, (_, y) =>
      Float64Array.from({ length: SIDE }, (_, x) => pixels(left + x, top + y, channel)));
    const across = rows.map((row) => waves.map((wave) => wave.reduce((sum, w, x) => sum + w * row[x], 0)));
    for (let v = 0; v < SIDE; v++) {
      for (let u = 0; u < SIDE; u++) {
        const value = waves[v].reduce((sum, w, y) => sum + w * across[y][u], 0);
        if (u + v === 0) found.room = Math.min(found.room, value / SIDE, 1 - value / SIDE);
        else if (u + v < FIRST_HIGH) found.low += value ** 2;
        else found.high.push(value);
      }
    }
  }
  return found;
}
