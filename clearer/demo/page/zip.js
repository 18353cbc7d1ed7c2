// Files in one, as they are: pictures are compressed already. PKWARE's APPNOTE, 4.3 to 4.4.

const MAX_BYTES = 2 ** 32 - 2; // more, or more files, takes another version of the format
const MAX_FILES = 2 ** 16 - 2;
const CRC = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
  return value;
});

// Blobs by name; only one at a time is read into memory.
export async function zip(files) {
  const parts = [];
  const directory = [];
  const encoder = new TextEncoder();
  let offset = 0;
  for (const [path, blob] of files) {
    const name = encoder.encode(path);
    const crc = crc32(new Uint8Array(await blob.arrayBuffer()));
    // Version 2.0; names in UTF-8; stored; 1 January 1980, for what is not said; CRC; sizes; name.
    const fields = [[20, 2], [1 << 11, 2], [0, 2], [0, 2], [33, 2], [crc, 4], [blob.size, 4], [blob.size, 4], [name.length, 2], [0, 2]];
    parts.push(bytes([[0x04034b50, 4], ...fields]), name, blob);
    directory.push(bytes([[0x02014b50, 4], [20, 2], ...fields, [0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]]), name);
    offset += 30 + name.length + blob.size;
    if (offset > MAX_BYTES || directory.length > 2 * MAX_FILES) {
      throw new Error("These are over 4 GB: choose JPEG, or save them one by one.");
    }
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const count = directory.length / 2;
  const end = bytes([[0x06054b50, 4], [0, 2], [0, 2], [count, 2], [count, 2], [size, 4], [offset, 4], [0, 2]]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

// Numbers, the lower byte first: pairs of value and bytes.
function bytes(fields) {
  const made = [];
  for (const [value, count] of fields) {
    for (let byte = 0; byte < count; byte++) made.push((value >>> (8 * byte)) & 255);
  }
  return Uint8Array.from(made);
}

function crc32(data) {
  let crc = 0xffffffff;
  for (let i = 0; i < data.length; i++) crc = CRC[(crc ^ data[i]) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
