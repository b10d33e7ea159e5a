// A small GIF encoder (GIF89a): frames of palette indices, compressed by LZW.

const MAX_CODE = 4096;

/** Collects frames and gives the file's bytes. */
export class GifEncoder {
  /** @param palette [[red, green, blue], ...], at most 256. */
  constructor(width, height, palette) {
    [this.width, this.height] = [width, height];
    this.bits = Math.max(2, Math.ceil(Math.log2(palette.length)));
    this.bytes = [...ascii("GIF89a"), ...short(width), ...short(height)];
    this.bytes.push(0xf0 | (this.bits - 1), 0, 0);
    for (let i = 0; i < 1 << this.bits; i++) this.bytes.push(...(palette[i] ?? [0, 0, 0]));
    this.bytes.push(0x21, 0xff, 11, ...ascii("NETSCAPE2.0"), 3, 1, 0, 0, 0); // forever
  }

  /** Adds a frame.
   *
   * @param indices Uint8Array [width * height].
   * @param delay hundredths of a second.
   */
  add(indices, delay) {
    this.bytes.push(0x21, 0xf9, 4, 0, ...short(delay), 0, 0);
    this.bytes.push(0x2c, 0, 0, 0, 0, ...short(this.width), ...short(this.height), 0, this.bits);
    const compressed = lzw(indices, this.bits);
    for (let i = 0; i < compressed.length; i += 255) {
      const block = compressed.slice(i, i + 255);
      this.bytes.push(block.length);
      for (const byte of block) this.bytes.push(byte);
    }
    this.bytes.push(0);
  }

  finish() {
    return Uint8Array.from([...this.bytes, 0x3b]);
  }
}

function ascii(text) {
  return Array.from(text, (letter) => letter.charCodeAt(0));
}

function short(value) {
  return [value & 0xff, value >> 8];
}

/** Returns palette indices compressed as GIF wants it. */
function lzw(indices, bits) {
  const [clear, end] = [1 << bits, (1 << bits) + 1];
  const bytes = [];
  let [buffer, filled, width, next] = [0, 0, bits + 1, end + 1];
  let codes = new Map();
  const put = (code) => {
    buffer |= code << filled;
    for (filled += width; filled >= 8; filled -= 8) {
      bytes.push(buffer & 0xff);
      buffer >>>= 8;
    }
  };
  put(clear);
  let prefix = indices[0];
  for (let i = 1; i < indices.length; i++) {
    const key = prefix * 256 + indices[i];
    const known = codes.get(key);
    if (known !== undefined) {
      prefix = known;
      continue;
    }
    put(prefix);
    prefix = indices[i];
    if (next === MAX_CODE) {
      put(clear);
      codes = new Map();
      [width, next] = [bits + 1, end + 1];
    } else {
      if (next === 1 << width) width++;
      codes.set(key, next++);
    }
  }
  put(prefix);
  put(end);
  if (filled) bytes.push(buffer & 0xff);
  return bytes;
}
