// model.bin: what sketch_rnn_tf/export/web/model_file.py writes.
//
//     8 bytes   "sketchrn"
//     uint32    format version
//     uint32    length of the header
//     uint32    CRC-32 of all that follows
//     header    JSON: the model's facts, and where its tensors lie
//     payload   the tensors, from a multiple of four on

import { SketchError } from "./errors.js";

const MAGIC = "sketchrn";
const FORMAT_VERSION = 1;
const PREAMBLE = 20;
const MODES = ["paper", "magenta", "javascript"];
const MOST = 1 << 20; // no size in a model is as large

/** Returns a model file's facts and a function that gives its tensors.
 *
 * @param bytes Uint8Array, the file.
 * @returns {facts, tensor}: tensor(name, ...shape) is a Float32Array for a shape of one dimension,
 *   {rows, columns, values} for one of two.
 * @throws SketchError the file is not ours, damaged or of a newer version.
 */
export function readModelFile(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = String.fromCharCode(...bytes.subarray(0, MAGIC.length));
  if (magic !== MAGIC || bytes.length < PREAMBLE)
    throw new SketchError(
      "this is not a model exported for the web (sketch-rnn-export --format web)",
    );
  const version = view.getUint32(8, true);
  if (version > FORMAT_VERSION)
    throw new SketchError(
      `the model file has format version ${version}, this page reads up to ${FORMAT_VERSION}: export the page anew`,
    );
  if (crc32(bytes.subarray(PREAMBLE)) !== view.getUint32(16, true))
    throw new SketchError("the model file is damaged: its checksum is wrong");
  const begin = PREAMBLE + view.getUint32(12, true);
  const facts = checkedFacts(parsed(bytes.subarray(PREAMBLE, begin)));
  const payload = bytes.subarray(begin);
  return { facts, tensor: (name, ...shape) => readTensor(facts, payload, name, shape) };
}

function parsed(bytes) {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw damaged("its header cannot be read");
  }
}

export function damaged(reason) {
  return new SketchError(`the model file is damaged: ${reason}`);
}

function checkedFacts(facts) {
  const sizes = ["max_length", "num_mixtures", "z_size", "class_embedding"];
  const whole = (value) => Number.isInteger(value) && value >= 0 && value < MOST;
  const positive = (value) => Number.isFinite(value) && value > 0;
  const isText = (value) => typeof value === "string";
  const shape = (part) =>
    ["units", "hyper_units", "hyper_embedding"].every((n) => whole(part?.[n]));
  const good =
    sizes.every((name) => whole(facts?.[name])) &&
    ["scale_factor", "extent", "max_length"].every((name) => positive(facts[name])) &&
    Array.isArray(facts.classes) &&
    facts.classes.every(isText) &&
    facts.start_token?.length === 5 &&
    facts.start_token.every(Number.isFinite) &&
    MODES.includes(facts.temperature_mode) &&
    shape(facts.decoder) &&
    (!facts.conditional || shape(facts.encoder)) &&
    Array.isArray(facts.tensors);
  if (!good) throw damaged("its header lacks what a model needs");
  return facts;
}

function readTensor(facts, payload, name, shape) {
  const found = facts.tensors.find((tensor) => tensor.name === name);
  if (!found || String(found.shape) !== String(shape))
    throw damaged(`${name} has shape [${found?.shape}], expected [${shape}]`);
  const columns = shape[1] ?? 1;
  const values = new Float32Array(shape[0] * columns);
  let row = 0;
  for (const part of found.parts) {
    const own = values.subarray(row * columns, (row + part.rows) * columns);
    row += part.rows;
    readPart(payload, part, own, columns, name);
  }
  if (row !== shape[0]) throw damaged(`${name} has ${row} rows, expected ${shape[0]}`);
  if (!values.every(Number.isFinite)) throw damaged(`${name} holds numbers that are not finite`);
  return shape.length === 1 ? values : { rows: shape[0], columns, values };
}

/** Fills `values` with a tensor's rows that are stored alike. */
function readPart(payload, part, values, columns, name) {
  const stored = (type, offset, count) => {
    const end = offset + count * type.BYTES_PER_ELEMENT;
    if (!(offset >= 0 && end <= payload.length)) throw damaged(`${name} lies outside of the file`);
    return new type(payload.slice(offset, end).buffer);
  };
  if (part.dtype === "float32") {
    values.set(stored(Float32Array, part.offset, values.length));
  } else if (part.dtype === "float16") {
    const halves = stored(Uint16Array, part.offset, values.length);
    for (let i = 0; i < halves.length; i++) values[i] = fromHalf(halves[i]);
  } else if (part.dtype === "int8") {
    const whole = stored(Int8Array, part.offset, values.length);
    const scales = stored(Float32Array, part.scales, part.rows);
    for (let i = 0; i < whole.length; i++) values[i] = whole[i] * scales[Math.floor(i / columns)];
  } else {
    throw damaged(`${name} is of the unknown type ${part.dtype}`);
  }
}

/** Returns the number that 16 bits stand for: a sign, five bits of exponent, ten of fraction. */
export function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = (bits & 0x3ff) / 1024;
  if (exponent === 0) return sign * fraction * 2 ** -14;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction) * 2 ** (exponent - 15);
}

function crc32(bytes) {
  const table = new Uint32Array(256).map((_, n) => {
    let value = n;
    for (let k = 0; k < 8; k++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
    return value;
  });
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = table[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
