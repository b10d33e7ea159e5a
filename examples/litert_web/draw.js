// Draws with a .tflite file of sketch-rnn-export through LiteRT.js: with step.tflite, since LiteRT.js
// opens no file that says anything in booleans, as `sample` says whether a sketch ended. The random numbers come from
// sketch_rnn.js, so a seed is the same drawing as in Python.

import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";
import { latent, Noise, nextPoint } from "./exported/web/sketch_rnn.js";

const WASM = new URL("./node_modules/@litertjs/core/wasm/", import.meta.url).pathname;

/** Opens a model file and what model.json beside it says of it. */
export async function open(modelUrl, factsUrl) {
  await loadLiteRt(WASM);
  const model = await loadAndCompile(modelUrl, { accelerator: "wasm" });
  const facts = await (await fetch(factsUrl)).json();
  return new Model(model, facts);
}

class Model {
  constructor(model, facts) {
    [this.model, this.facts] = [model, facts];
  }

  /** Draws sketches, each from a row of seeds of its own.
   *
   * @returns [{strokes: [[dx, dy, penLifted], ...], ended}], source units.
   */
  async generate(num, options = {}) {
    const sketches = [];
    for (let i = 0; i < num; i++) sketches.push(await this.#draw(i, options));
    return sketches;
  }

  /** Draws a sketch point by point, as an app does that shows how it grows. */
  async #draw(i, { seed = 0, temperature = 0.4, label = null }) {
    const { max_length, scale_factor, start_token, temperature_mode, drop_first_point } =
      this.facts;
    const temperatures = [temperature, temperature, temperature];
    const noise = new Noise([seed, i]);
    const strokes = drop_first_point ? [[0, 0, 0]] : [];
    let state = await this.#begin([seed, i], label);
    let row = start_token;
    for (let t = 0; t < max_length && !row[4]; t++) {
      const found = await this.#run("step", { stroke: [row, [1, 5]], state });
      row = nextPoint(found.parameters, noise.at(t), temperatures, temperature_mode);
      state = [found.state, [1, this.facts.state_size]];
      if (!row[4]) strokes.push([row[0] * scale_factor, row[1] * scale_factor, row[3]]);
    }
    return { strokes, ended: row[4] === 1 };
  }

  /** Returns the state before the first point, and its shape. */
  async #begin(seeds, label) {
    const { conditional, z_size, classes, state_size } = this.facts;
    const inputs = {};
    if (conditional) inputs.z = [latent(seeds, z_size), [1, z_size]];
    if (classes.length) inputs.label = [Int32Array.of(classes.indexOf(label)), [1]];
    const isZero = !Object.keys(inputs).length; // such a file has no `init_state`
    const state = isZero
      ? new Float32Array(state_size)
      : (await this.#run("init_state", inputs)).state;
    return [state, [1, state_size]];
  }

  /** Runs a signature: {name: [values, shape]} to {name: values}. */
  async #run(signature, inputs) {
    const tensors = {};
    for (const [name, [values, shape]] of Object.entries(inputs)) {
      const isWhole = values instanceof Int32Array;
      tensors[name] = new Tensor(isWhole ? values : Float32Array.from(values), shape);
    }
    const outputs = await this.model.run(signature, tensors);
    const found = {};
    for (const [name, tensor] of Object.entries(outputs)) found[name] = await tensor.data();
    for (const tensor of [...Object.values(tensors), ...Object.values(outputs)]) tensor.delete();
    return found;
  }
}

/** Returns a sketch as an SVG picture. */
export function toSvg({ strokes }) {
  let [x, y, isDown] = [0, 0, false];
  const [xs, ys, commands] = [[], [], []];
  for (const [dx, dy, lifted] of strokes) {
    [x, y] = [x + dx, y + dy];
    xs.push(x);
    ys.push(y);
    commands.push(`${isDown ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`);
    isDown = lifted === 0;
  }
  const [left, top] = [Math.min(...xs, 0), Math.min(...ys, 0)];
  const side = Math.max(Math.max(...xs, 0) - left, Math.max(...ys, 0) - top, 1);
  const box = [left - side / 10, top - side / 10, 1.2 * side, 1.2 * side];
  const view = box.map((value) => value.toFixed(2)).join(" ");
  return `<svg viewBox="${view}" stroke-width="${side / 60}"><path d="${commands.join("")}"/></svg>`;
}
