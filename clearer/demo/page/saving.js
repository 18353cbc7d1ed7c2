// Results as files.

import { encode } from "./pixels.js";
import { zip } from "./zip.js";

const ENDINGS = { "image/png": "png", "image/jpeg": "jpg", "image/tiff": "tif" };
const $ = (id) => document.getElementById(id);

$("format").addEventListener("change", () => {
  $("quality").parentElement.hidden = $("format").value !== "image/jpeg";
});

// Whether a quality is there where one is needed; the browser says what is wrong.
export function isReady() {
  return $("format").value !== "image/jpeg" || $("quality").reportValidity();
}

// In the format that is chosen: {name, blob}.
export async function toFile(picture, strength) {
  const type = $("format").value;
  const blob = await encode(picture, strength, type, Number($("quality").value) / 100);
  return { name: `${picture.item.name.replace(/\.[^.]*$/, "")}-restored.${ENDINGS[type]}`, blob };
}

export function download({ name, blob }) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// Files in one; of two with one name the second gets a number.
export async function toZip(files) {
  const byName = new Map();
  for (const { name, blob } of files) {
    const [, stem, ending] = name.match(/^(.*)(\..*)$/);
    let free = name;
    for (let count = 2; byName.has(free); count++) free = `${stem} (${count})${ending}`;
    byName.set(free, blob);
  }
  return { name: "restored.zip", blob: await zip(byName) };
}
