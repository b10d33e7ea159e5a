// The network: a drawing to its latent vector, and point by point to the next point's raw numbers.

import { makeCell } from "./cells.js";
import { addProduct, affine } from "./matrix.js";

const POINT = 5; // a stroke-5 row
const PARAMETERS = 6; // a component: weight, mean x and y, sigma x and y, correlation

const sum = (a, b) => a + b;

/** A model's encoder and decoder, and the embedding of its classes. */
export class Network {
  /** @param file of `readModelFile`. */
  constructor({ facts, tensor }) {
    const embedding = facts.classes.length ? facts.class_embedding : 0;
    this.classes = embedding ? tensor("class_embedding", facts.classes.length, embedding) : null;
    this.encoder = facts.conditional ? new Encoder(facts, tensor, embedding) : null;
    this.decoder = new Decoder(facts, tensor, (facts.conditional ? facts.z_size : 0) + embedding);
  }

  /** Returns what a class adds to the inputs, or null. */
  classContext(label) {
    if (!this.classes) return null;
    const { columns, values } = this.classes;
    return Float64Array.from(values.subarray(label * columns, (label + 1) * columns));
  }

  /** Returns what the decoder reads at every step, z and class one after the other, or null. */
  context(z, label) {
    const parts = [z, this.classContext(label)].filter(Boolean);
    return parts.length ? Float64Array.of(...parts.flatMap((part) => [...part])) : null;
  }
}

/** Reads a drawing in both directions: the twin of sketch_rnn_tf/model/encoder.py. */
class Encoder {
  constructor(facts, tensor, contextSize) {
    const shape = { ...facts.encoder, input: POINT, context: contextSize };
    const direction = (name) =>
      makeCell((n, ...size) => tensor(`encoder.${name}.${n}`, ...size), shape);
    this.cells = [direction("forward"), direction("backward")];
    const layer = (name) => ({
      matrix: tensor(`encoder.${name}`, facts.z_size, 2 * shape.units),
      bias: tensor(`encoder.${name}_bias`, facts.z_size),
    });
    this.layers = { mean: layer("mean"), logVar: layer("log_var") };
  }

  /** Returns z's mean and log variance of stroke-5 rows, in normalized units, without end token. */
  encode(rows, classContext) {
    const directions = [rows, [...rows].reverse()];
    const summaries = this.cells.map((cell, k) => {
      const share = cell.share(classContext);
      let state = cell.initialState();
      for (const row of directions[k]) state = cell.step(row, share, state);
      return cell.outputOf(state);
    });
    const summary = Float64Array.of(...summaries[0], ...summaries[1]);
    const { mean, logVar } = this.layers;
    return {
      mean: affine(mean.matrix, summary, mean.bias),
      logVar: affine(logVar.matrix, summary, logVar.bias),
    };
  }
}

/** Says what comes next: the twin of sketch_rnn_tf/model/decoder.py. */
class Decoder {
  constructor(facts, tensor, contextSize) {
    const input = POINT + (facts.absolute_position ? 2 : 0);
    const shape = { ...facts.decoder, input, context: contextSize };
    this.absolutePosition = facts.absolute_position;
    this.tanhOfZ = facts.decoder.tanh_of_z;
    this.cell = makeCell((name, ...size) => tensor(`decoder.cell.${name}`, ...size), shape);
    const outputs = 3 + PARAMETERS * facts.num_mixtures;
    this.output = tensor("decoder.output", outputs, shape.units);
    this.outputBias = tensor("decoder.output_bias", outputs);
    if (!contextSize) return;
    const total = this.cell.sizes.reduce(sum);
    this.initial = tensor("decoder.initial", total, contextSize);
    this.initialBias = tensor("decoder.initial_bias", total);
  }

  /** Returns the state before the first point: {states, share, position}.
   *
   * With a context the cell begins with tanh(W context + b), without one with zeros.
   */
  begin(context) {
    const share = this.cell.share(context);
    const position = [0, 0];
    if (!context) return { states: this.cell.initialState(), share, position };
    const given = this.tanhOfZ ? context.map(Math.tanh) : context;
    const flat = affine(this.initial, given, this.initialBias).map(Math.tanh);
    const ends = this.cell.sizes.map((_, k) => this.cell.sizes.slice(0, k + 1).reduce(sum));
    const states = ends.map((end, k) => flat.slice(end - this.cell.sizes[k], end));
    return { states, share, position };
  }

  /** Returns the state after reading a stroke-5 row in normalized units; the one given stays. */
  read(row, { states, share, position }) {
    const here = [Math.fround(position[0] + row[0]), Math.fround(position[1] + row[1])];
    const input = this.absolutePosition ? [...row, ...here] : row;
    return {
      states: this.cell.step(Float64Array.from(input), share, states),
      share,
      position: here,
    };
  }

  /** Returns the raw numbers [3 + 6M] of the point after those read, see `next_point.js`. */
  raw({ states }) {
    const out = Float64Array.from(this.outputBias);
    addProduct(out, this.output, this.cell.outputOf(states));
    return out;
  }
}
