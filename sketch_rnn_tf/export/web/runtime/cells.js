// One step of each kind of cell: the twins of sketch_rnn_tf/model/cells/. Gates lie in the order
// i, j, f, o; a state is an array of vectors, the output h first.

import { SketchError } from "./errors.js";
import { addProduct } from "./matrix.js";

const FORGET_BIAS = 1; // added when the cell runs; stored biases do not contain it
const NORM_EPSILON = 1e-3;

function sigmoid(x) {
  return 1 / (1 + Math.exp(-x));
}

/** Normalizes blocks of a vector in place, each on its own (arXiv 1607.06450). */
function layerNorm(x, blocks, gain, shift) {
  const size = x.length / blocks;
  for (let begin = 0; begin < x.length; begin += size) {
    let mean = 0;
    for (let i = begin; i < begin + size; i++) mean += x[i];
    mean /= size;
    let variance = 0;
    for (let i = begin; i < begin + size; i++) variance += (x[i] - mean) * (x[i] - mean);
    const factor = 1 / Math.sqrt(variance / size + NORM_EPSILON);
    for (let i = begin; i < begin + size; i++) x[i] = (x[i] - mean) * factor * gain[i] + shift[i];
  }
}

/** Returns the new h and c of an LSTM.
 *
 *     c' = c sigmoid(f + 1) + sigmoid(i) tanh j,  h' = sigmoid(o) tanh norm(c')
 *
 * @param gates Float64Array [4H], before their activations.
 * @param c Float64Array [H].
 * @param norm changes a vector in place, or null.
 */
function lstm(gates, c, norm) {
  const units = c.length;
  const carried = new Float64Array(units);
  for (let k = 0; k < units; k++) {
    const candidate = sigmoid(gates[k]) * Math.tanh(gates[units + k]);
    carried[k] = c[k] * sigmoid(gates[2 * units + k] + FORGET_BIAS) + candidate;
  }
  const h = Float64Array.from(carried); // the carried c' is not normalized
  if (norm) norm(h);
  for (let k = 0; k < units; k++) h[k] = sigmoid(gates[3 * units + k]) * Math.tanh(h[k]);
  return [h, carried];
}

/** Returns the new h and c of an LSTM whose gate blocks and c' are normalized. */
function layerNormLSTM(gates, c, norms) {
  layerNorm(gates, 4, norms.gateGain, norms.gateShift);
  return lstm(gates, c, (h) => layerNorm(h, 1, norms.carryGain, norms.carryShift));
}

/** What the cells share: inputs are a point and a context that is the same at every step. */
class Cell {
  /**
   * @param weights a function from a name in the model file and a shape to a matrix or vector.
   * @param shape {input, context}: the sizes D and C of an input and its context.
   * @param sizes of the states, h first.
   * @param width P, of the projections of the inputs.
   */
  constructor(weights, { input, context }, sizes, width) {
    this.sizes = sizes;
    this.point = weights("point", width, input);
    this.context = context ? weights("context", width, context) : null;
    this.bias = null;
  }

  /** Returns the output [H] of the step that left a state. */
  outputOf(state) {
    return state[0];
  }

  initialState() {
    return this.sizes.map((size) => new Float64Array(size));
  }

  /** Returns what context and bias add to the projections of every step, Float64Array [P]. */
  share(context) {
    const share = Float64Array.from(this.bias ?? new Float64Array(this.point.rows));
    if (context) addProduct(share, this.context, context);
    return share;
  }

  project(input, share) {
    const projected = Float64Array.from(share);
    addProduct(projected, this.point, input);
    return projected;
  }
}

class LSTMCell extends Cell {
  constructor(weights, shape) {
    const { units } = shape;
    super(weights, shape, [units, units], 4 * units);
    this.recurrent = weights("recurrent_kernel", 4 * units, units);
    this.bias = weights("bias", 4 * units);
  }

  /** Returns the state after reading an input [D]. */
  step(input, share, [h, c]) {
    const gates = this.project(input, share);
    addProduct(gates, this.recurrent, h);
    return lstm(gates, c, null);
  }
}

function norms(weights, units, prefix = "") {
  return {
    gateGain: weights(`${prefix}gate_gain`, 4 * units),
    gateShift: weights(`${prefix}gate_shift`, 4 * units),
    carryGain: weights(`${prefix}carry_gain`, units),
    carryShift: weights(`${prefix}carry_shift`, units),
  };
}

class LayerNormLSTMCell extends Cell {
  constructor(weights, shape) {
    const { units } = shape;
    super(weights, shape, [units, units], 4 * units);
    this.recurrent = weights("recurrent_kernel", 4 * units, units);
    this.norms = norms(weights, units);
  }

  step(input, share, [h, c]) {
    const gates = this.project(input, share);
    addProduct(gates, this.recurrent, h);
    return layerNormLSTM(gates, c, this.norms);
  }
}

/** An LSTM whose gates are scaled and shifted by what a smaller LSTM says (arXiv 1609.09106). */
class HyperLSTMCell extends Cell {
  constructor(weights, shape) {
    const { units, hyper_units: hyperUnits, hyper_embedding: embedding } = shape;
    super(weights, shape, [units, units, hyperUnits, hyperUnits], 4 * (units + hyperUnits));
    this.recurrent = weights("recurrent_kernel", 4 * units, units);
    [this.units, this.embeddingSize] = [units, embedding];
    this.norms = norms(weights, units);
    this.hyperNorms = norms(weights, hyperUnits, "hyper_");
    this.hyperState = weights("hyper_state_kernel", 4 * hyperUnits, units + hyperUnits);
    this.embedding = weights("embedding_kernel", 12 * embedding, hyperUnits);
    this.embeddingBias = weights("embedding_bias", 8 * embedding);
    this.generator = weights("generator", 12 * units, embedding);
    this.gateBias = weights("bias", 4 * units);
  }

  step(input, share, [h, c, hyperH, hyperC]) {
    const width = 4 * this.units;
    const projected = this.project(input, share);
    const hyperGates = projected.slice(width);
    addProduct(hyperGates, this.hyperState, Float64Array.of(...h, ...hyperH));
    const [newHyperH, newHyperC] = layerNormLSTM(hyperGates, hyperC, this.hyperNorms);
    const made = this.generate(newHyperH); // scales of x, scales of h, shifts: [4H] each
    const gates = new Float64Array(width);
    addProduct(gates, this.recurrent, h);
    for (let k = 0; k < width; k++) {
      const scaled = made[k] * projected[k] + made[width + k] * gates[k];
      gates[k] = scaled + made[2 * width + k] + this.gateBias[k];
    }
    const [newH, newC] = layerNormLSTM(gates, c, this.norms);
    return [newH, newC, newHyperH, newHyperC];
  }

  /** Returns scales and shifts, Float64Array [12H]: path k is made from its own embedding. */
  generate(hyperH) {
    const size = this.embeddingSize;
    const embedding = new Float64Array(12 * size);
    embedding.set(this.embeddingBias); // of the eight scales; the four shifts have none
    addProduct(embedding, this.embedding, hyperH);
    const made = new Float64Array(12 * this.units);
    for (let path = 0; path < 12; path++) {
      const begin = path * this.units;
      const columns = size;
      const values = this.generator.values.subarray(begin * size, (begin + this.units) * size);
      const own = embedding.subarray(path * size, (path + 1) * size);
      addProduct(made, { rows: this.units, columns, values }, own, begin);
    }
    return made;
  }
}

/** Two LSTM layers on each other; the inputs reach both, and the output is that of both. */
class StackedLSTMCell extends Cell {
  constructor(weights, shape) {
    const size = shape.units / 2;
    super(weights, shape, [size, size, size, size], 8 * size);
    this.first = weights("first_kernel", 4 * size, size);
    this.second = weights("second_kernel", 4 * size, 2 * size);
    this.bias = weights("bias", 8 * size);
  }

  outputOf([h1, , h2]) {
    return Float64Array.of(...h1, ...h2);
  }

  step(input, share, [h1, c1, h2, c2]) {
    const projected = this.project(input, share);
    const gates = projected.slice(0, projected.length / 2);
    addProduct(gates, this.first, h1);
    const [newH1, newC1] = lstm(gates, c1, null);
    const upper = projected.slice(projected.length / 2);
    addProduct(upper, this.second, Float64Array.of(...newH1, ...h2));
    return [newH1, newC1, ...lstm(upper, c2, null)];
  }
}

const CELLS = {
  lstm: LSTMCell,
  layer_norm: LayerNormLSTMCell,
  hyper: HyperLSTMCell,
  stacked: StackedLSTMCell,
};

/** Returns a cell; `shape` is {cell, units, hyper_units, hyper_embedding} of the model's facts. */
export function makeCell(weights, shape) {
  if (!Object.hasOwn(CELLS, shape.cell)) throw new SketchError(`there is no cell "${shape.cell}"`);
  return new CELLS[shape.cell](weights, shape);
}
