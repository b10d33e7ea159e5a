// What can be asked of a model: the verbs of sketch_rnn_tf.Sketcher, on plain arrays.

import { SketchError } from "./errors.js";
import { latentPrior } from "./latent_prior.js";
import { between } from "./latent_space.js";
import { readModelFile } from "./model_file.js";
import { Network } from "./network.js";
import { mixture, nextPoint } from "./next_point.js";
import { latent, Noise } from "./philox.js";
import { checkedRows } from "./strokes.js";

const DEFAULT_TEMPERATURE = 0.4;
const MAX_OFFSET = 1000; // offsets are clamped to this before scaling, source units
const COPY = 1 << 16; // between the seeds of copies of one sketch
const ATTEMPTS = 16; // for a drawing that has nothing on it
const ATTEMPT = 0x3504f333; // between their seeds
const TEMPERATURE_PARTS = ["pen", "mixture", "offset"];

/** Opens a model.
 *
 * @param source an address, a Response, a Blob or a File, or the bytes of a model.bin.
 * @param options {temperatureMode} instead of the model's own.
 */
export async function load(source, options = {}) {
  return new Sketcher(new Uint8Array(await bytesOf(source)), options);
}

async function bytesOf(source) {
  if (source instanceof ArrayBuffer) return source;
  if (ArrayBuffer.isView(source))
    return source.buffer.slice(source.byteOffset, source.byteOffset + source.byteLength);
  if (typeof source === "string" || source instanceof URL) {
    const response = await fetch(source);
    if (!response.ok) throw new SketchError(`${source}: the server answers ${response.status}`);
    return response.arrayBuffer();
  }
  if (typeof source?.arrayBuffer === "function") return source.arrayBuffer();
  throw new SketchError("expected an address, a file or the bytes of a model.bin");
}

/** A model in the user's units. `load` makes one. */
export class Sketcher {
  #fittedPrior;

  constructor(bytes, { temperatureMode } = {}) {
    const file = readModelFile(bytes);
    this.facts = file.facts;
    this.network = new Network(file);
    this.#fittedPrior = latentPrior(this.facts);
    this.temperatureMode = temperatureMode ?? this.facts.temperature_mode;
    if (!["paper", "magenta", "javascript"].includes(this.temperatureMode))
      throw new SketchError(`there is no temperature mode "${this.temperatureMode}"`);
  }

  /** Class names by label; empty unless the model is class-conditioned. */
  get classes() {
    return this.facts.classes;
  }

  /** Whether the model has an encoder and latent vectors; else it is a decoder alone. */
  get conditional() {
    return this.facts.conditional;
  }

  /** Draws new sketches. */
  generate(options = {}) {
    const { num = 1, z } = options;
    const latents = z === undefined ? null : this.#checkedLatents(z, count("num", num));
    return this.#requests(count("num", num), options).map((request, i) =>
      this.#draw({ ...request, z: latents?.[i] ?? this.#prior(request) }),
    );
  }

  /** Returns z's means of drawings, a Float64Array each. */
  encode(sketches, { label } = {}) {
    return this.#encoded(sketches, label).map(({ mean }) => mean);
  }

  /** Returns the latent vector from the prior that `generate` draws a seed's first sketch from. */
  prior(options = {}) {
    if (!this.conditional)
      throw new SketchError("this model is a decoder alone: it reads no latent vector");
    return this.#prior(this.#requests(1, options)[0]);
  }

  /** Draws sketches again from their latent vectors. */
  reconstruct(sketches, options = {}) {
    const encoded = this.#encoded(sketches, options.label);
    return this.#requests(sketches.length, options).map((request, i) =>
      this.#draw({ ...request, z: this.#latentOf(encoded[i], options.sampleZ, request) }),
    );
  }

  /** Goes on with begun sketches: `num` continuations of each, those of one following each other. */
  complete(sketches, options = {}) {
    const found = [];
    for (const request of this.#continuations(sketches, options)) found.push(this.#draw(request));
    return found;
  }

  /** Draws the way between two drawings or latent vectors, ends included, all with one noise. */
  interpolate(ends, options = {}) {
    const { steps = 10, interpolation = "spherical", label } = options;
    if (ends?.length !== 2) throw new SketchError("the way between two drawings needs two ends");
    if (count("steps", steps) < 2) throw new SketchError("2 or more steps can be drawn");
    const [a, b] = ends.map((end) => this.#latentOfEnd(end, label));
    const [request] = this.#requests(1, options);
    return Array.from({ length: steps }, (_, i) =>
      this.#draw({ ...request, z: between(a, b, i / (steps - 1), interpolation) }),
    );
  }

  /** Draws one sketch point by point: yields [dx, dy, penLifted] and returns whether it ended.
   *
   * Options as in `generate`, which draws the same sketch, or with `begun`, a drawing to go on
   * with, as in `complete`, whose copy `copy` it then is; given points are not yielded.
   */
  *points(options = {}) {
    if (options.begun) {
      const num = (options.copy ?? 0) + 1;
      return yield* this.#rows(this.#continuations([options.begun], { ...options, num }).at(-1));
    }
    const [request] = this.#requests(1, options);
    const z = options.z ? this.#checkedLatents([options.z], 1)[0] : this.#prior(request);
    const first = this.#firstPoint();
    yield* first;
    return yield* this.#notEmpty({ ...request, z });
  }

  /** Returns what the model says of the point after a drawing, in source units.
   *
   * @returns {pen: [down, up, end], components: [{weight, x, y, sigmaX, sigmaY, rho}]}.
   */
  next(sketch, options = {}) {
    const empty = !(sketch?.strokes ?? sketch)?.length;
    const [request] = empty
      ? this.#requests(1, options).map((one) => ({ ...one, z: options.z ?? this.#prior(one) }))
      : this.#continuations([sketch], options);
    const { decoder } = this.network;
    const { state, row } = this.#afterPrefix(request);
    const raw = decoder.raw(decoder.read(row, state));
    const found = mixture(raw, request.temperature, this.temperatureMode);
    const scale = this.facts.scale_factor;
    for (const component of found.components)
      for (const name of ["x", "y", "sigmaX", "sigmaY"]) component[name] *= scale;
    return found;
  }

  /** Returns what is to be drawn, one request per sketch; all arguments are checked. */
  #requests(num, options, copies = 1) {
    const {
      temperature,
      seed = 0,
      label,
      greedy = false,
      maxPoints,
      noise,
      keepEmpty = false,
    } = options;
    const limit = maxPoints === undefined ? this.facts.max_length : count("maxPoints", maxPoints);
    if (noise && (noise.length !== num * copies || noise.some((rows) => rows.length < limit)))
      throw new SketchError(`noise does not have ${num * copies} sketches of ${limit} points`);
    const temperatures = allTemperatures(temperature, num);
    const labels = this.#labels(label, num);
    const found = [];
    for (let i = 0; i < num; i++)
      for (let copy = 0; copy < copies; copy++) {
        const own = noise?.[i * copies + copy] ?? null;
        const seeds = seedRow(seed, i, num, copy);
        const rest = { limit, greedy, noise: own, keepEmpty, given: [], prefix: [] };
        found.push({ seeds, temperature: temperatures[i], label: labels[i], ...rest });
      }
    return found;
  }

  /** Returns the requests of `complete`; the state after a beginning is shared by its copies. */
  #continuations(sketches, options) {
    const { num = 1, sampleZ = false, z } = options;
    const begun = this.#read(sketches);
    const requests = this.#requests(begun.length, options, count("num", num));
    if (sampleZ && z) throw new SketchError("z and sampleZ exclude each other");
    if (sampleZ) this.#requireEncoder();
    const own = z ? this.#checkedLatents(z, begun.length) : null;
    const encoded = !own && this.conditional ? this.#encoded(sketches, options.label) : null;
    return requests.map((request, k) => {
      const i = Math.floor(k / num);
      if (begun[i].length > request.limit)
        throw new SketchError(
          `sketch ${i} has ${begun[i].length} points, more than the ${request.limit} allowed`,
        );
      const given = checkedRows(sketches[i], `sketch ${i}`);
      const latents = own?.[i] ?? (encoded && this.#latentOf(encoded[i], sampleZ, request));
      return {
        ...request,
        z: latents,
        given,
        prefix: begun[i].map((row) => this.#normalized(row)),
      };
    });
  }

  /** Returns {strokes, label, ended, given}: source units, given points as they were given. */
  #draw(request) {
    const begun = request.prefix.length > 0;
    const strokes = begun ? [...request.given] : this.#firstPoint();
    const rows = begun ? this.#rows(request) : this.#notEmpty(request);
    let step = rows.next();
    for (; !step.done; step = rows.next()) strokes.push(step.value);
    const label = this.classes[request.label] ?? null;
    return { strokes, label, ended: step.value, given: request.given.length };
  }

  /** Yields the rows of a sketch that has something on it, if one of the attempts has. */
  *#notEmpty(request) {
    const free = !request.greedy && !request.noise && !request.keepEmpty;
    const least = this.facts.drop_first_point ? 1 : 2; // a first point by itself draws nothing
    for (let attempt = 0; ; attempt++) {
      const [first, second] = request.seeds;
      const seeds = [(first + Math.imul(attempt, ATTEMPT)) | 0, second];
      const rows = this.#rows({ ...request, seeds });
      const [one, two] = [rows.next(), rows.next()];
      const isEmpty = one.done ? one.value : least > 1 && two.done && two.value;
      if (free && isEmpty && attempt < ATTEMPTS) continue;
      if (one.done) return one.value;
      yield one.value;
      if (two.done) return two.value;
      yield two.value;
      return yield* rows;
    }
  }

  /** Yields new rows in source units; returns whether the sketch ended by itself. */
  *#rows(request) {
    const { decoder } = this.network;
    const scale = this.facts.scale_factor;
    const random = new Noise(request.seeds);
    let { state, row } = this.#afterPrefix(request);
    for (let t = request.prefix.length; t < request.limit; t++) {
      state = decoder.read(row, state);
      const numbers = request.noise?.[t] ?? random.at(t);
      const raw = decoder.raw(state);
      row = nextPoint(raw, numbers, request.temperature, this.temperatureMode, request.greedy);
      if (row[4]) return true;
      yield [Math.fround(row[0] * scale), Math.fround(row[1] * scale), row[3]];
    }
    return false;
  }

  /** Returns the decoder's state before its last given row, and that row. */
  #afterPrefix(request) {
    const { decoder } = this.network;
    let state = decoder.begin(this.network.context(request.z, request.label));
    let row = this.facts.start_token;
    for (const next of request.prefix) {
      state = decoder.read(row, state);
      row = next;
    }
    return { state, row };
  }

  #prior(request) {
    if (!this.conditional) return null;
    const normals = latent(request.seeds, this.facts.z_size);
    return this.#fittedPrior ? this.#fittedPrior(normals, request.label) : normals;
  }

  #encoded(sketches, label) {
    this.#requireEncoder();
    const rows = this.#read(sketches);
    const labels = this.#labels(label, rows.length);
    return rows.map((one, i) => {
      const normalized = one.map((row) => this.#normalized(row));
      return this.network.encoder.encode(normalized, this.network.classContext(labels[i]));
    });
  }

  /** Returns z's mean, or a sample of q(z|sketch). */
  #latentOf({ mean, logVar }, sample, request) {
    if (!sample) return mean;
    const noise = latent(request.seeds, this.facts.z_size);
    return mean.map((value, i) => value + Math.exp(logVar[i] / 2) * noise[i]);
  }

  #latentOfEnd(end, label) {
    this.#requireEncoder();
    const isLatent = typeof (end?.strokes ?? end)?.[0] === "number";
    return isLatent ? this.#checkedLatents([end], 1)[0] : this.encode([end], { label })[0];
  }

  #requireEncoder() {
    if (!this.conditional)
      throw new SketchError(
        "this model is a decoder alone: without an encoder it can generate and complete, not encode, reconstruct or interpolate",
      );
  }

  #checkedLatents(z, num) {
    if (!this.conditional)
      throw new SketchError("this model is a decoder alone: it reads no latent vector");
    const size = this.facts.z_size;
    const good = (row) => row?.length === size && Array.from(row).every(Number.isFinite);
    if (z?.length !== num || !Array.from(z).every(good))
      throw new SketchError(`z does not have ${num} rows of ${size} finite numbers`);
    return Array.from(z, (row) => Float64Array.from(row, Math.fround));
  }

  /** Returns drawings as the rows that the model reads. */
  #read(sketches) {
    if (!Array.isArray(sketches) || !sketches.length)
      throw new SketchError("expected a list of drawings");
    return sketches.map((sketch, i) => {
      const rows = checkedRows(sketch, `sketch ${i}`);
      const drop = this.facts.drop_first_point && rows.length && !rows[0][0] && !rows[0][1];
      const read = drop ? rows.slice(1) : rows;
      if (!read.length) throw new SketchError(`sketch ${i} has no points`);
      return read;
    });
  }

  /** Returns what stands before the model's own rows: row 0, where it has learned without. */
  #firstPoint() {
    return this.facts.drop_first_point ? [[0, 0, 0]] : [];
  }

  #normalized([dx, dy, lifted]) {
    const scaled = (offset) =>
      Math.fround(Math.min(Math.max(offset, -MAX_OFFSET), MAX_OFFSET) / this.facts.scale_factor);
    return [scaled(dx), scaled(dy), 1 - lifted, lifted, 0];
  }

  #labels(label, num) {
    const known = this.classes.join(", ");
    if (!this.classes.length) {
      if (label !== undefined && label !== null)
        throw new SketchError(`the model is not class-conditioned: it cannot draw "${label}"`);
      return Array(num).fill(null);
    }
    if (label === undefined || label === null)
      throw new SketchError(`the model draws by class: choose one of ${known}`);
    const names = Array.isArray(label) ? label : Array(num).fill(label);
    if (names.length !== num)
      throw new SketchError(`${names.length} labels do not fit ${num} sketches`);
    return names.map((name) => {
      const found = this.classes.indexOf(name);
      if (found < 0) throw new SketchError(`the model has no class "${name}"; it has ${known}`);
      return found;
    });
  }
}

function count(name, value) {
  if (!Number.isInteger(value) || value < 1)
    throw new SketchError(`${name} is ${value}, expected a whole number of at least 1`);
  return value;
}

/** Returns the temperatures of pen, mixture and offsets for each sketch, [num][3]. */
function allTemperatures(temperature = DEFAULT_TEMPERATURE, num) {
  const isParts = typeof temperature === "object" && !Array.isArray(temperature);
  const unknown = isParts && Object.keys(temperature).find((n) => !TEMPERATURE_PARTS.includes(n));
  if (unknown)
    throw new SketchError(
      `there is no temperature of "${unknown}"; there are ${TEMPERATURE_PARTS.join(", ")}`,
    );
  const columns = TEMPERATURE_PARTS.map((part) => {
    const value = isParts ? (temperature[part] ?? DEFAULT_TEMPERATURE) : temperature;
    const values = Array.isArray(value) ? value : Array(num).fill(value);
    if (!values.every((tau) => Number.isFinite(tau) && tau > 0))
      throw new SketchError(`temperature is ${value}, expected finite numbers above 0`);
    if (values.length !== num)
      throw new SketchError(`${values.length} temperatures do not fit ${num} sketches`);
    return values;
  });
  return Array.from({ length: num }, (_, i) => columns.map((column) => column[i]));
}

/** Returns the row of seeds of copy `copy` of sketch i. */
function seedRow(seed, i, num, copy) {
  const row = Array.isArray(seed) ? seed[i] : [seed, i];
  const isSeed = (value) => Number.isInteger(value) && value === (value | 0);
  if (row?.length !== 2 || !row.every(isSeed) || (Array.isArray(seed) && seed.length !== num))
    throw new SketchError(`seed is ${seed}, expected an integer of 32 bits or ${num} rows of two`);
  return [row[0], (row[1] + COPY * copy) | 0];
}
