// A TIFF without compression: TIFF 6.0, sections 2 (structure), 6 (RGB) and 18 (transparency).

const [SHORT, LONG] = [3, 4];

export function tiff({ width, height, data }) {
  const count = width * height;
  let samples = 3;
  for (let i = 3; i < data.length && samples === 3; i += 4) if (data[i] < 255) samples = 4;
  const size = samples * count;
  const fields = [
    [256, LONG, width],
    [257, LONG, height],
    [258, SHORT, 8, samples], // bits of each sample
    [259, SHORT, 1], // no compression
    [262, SHORT, 2], // RGB
    [273, LONG, 0], // where the pixels begin: below
    [277, SHORT, samples],
    [278, LONG, height], // rows in the only strip
    [279, LONG, size],
    ...(samples === 4 ? [[338, SHORT, 2]] : []), // the fourth sample: alpha, not multiplied in
  ];
  const bitsAt = 8 + 2 + 12 * fields.length + 4;
  const begin = bitsAt + 2 * samples;
  const view = new DataView(new ArrayBuffer(begin + size));
  view.setUint32(0, 0x49492a00); // "II", 42: the lower byte first
  view.setUint32(4, 8, true);
  view.setUint16(8, fields.length, true);
  fields.forEach(([tag, kind, value, length = 1], index) => {
    const at = 10 + 12 * index;
    view.setUint16(at, tag, true);
    view.setUint16(at + 2, kind, true);
    view.setUint32(at + 4, length, true);
    view.setUint32(at + 8, tag === 258 ? bitsAt : tag === 273 ? begin : value, true);
  });
  for (let sample = 0; sample < samples; sample++) view.setUint16(bitsAt + 2 * sample, 8, true);
  const pixels = new Uint8Array(view.buffer, begin);
  for (let i = 0; i < count; i++) {
    for (let sample = 0; sample < samples; sample++) pixels[samples * i + sample] = data[4 * i + sample];
  }
  return new Blob([view.buffer], { type: "image/tiff" });
}
