// Runs an exported sketch_rnn.js: node verbs.mjs FOLDER < requests.json > answers.json
//
// A request is {verb, arguments}, or {raw: {z, label, rows}} for the raw numbers step by step, or
// {noise: {seeds, count}}, or {file: base64} for what a file is refused with.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const folder = process.argv[2];
const { load, Sketcher } = await import(pathToFileURL(`${folder}/sketch_rnn.js`).href);
const sketcher = await load(readFileSync(`${folder}/model.bin`));

const plain = (value) => (ArrayBuffer.isView(value) ? Array.from(value) : value);

function raw({ z = null, label = null, rows }) {
  const { decoder } = sketcher.network;
  let state = decoder.begin(sketcher.network.context(z, label));
  return rows.map((row) => {
    state = decoder.read(row, state);
    return Array.from(decoder.raw(state));
  });
}

function points(options) {
  const rows = [];
  const iterator = sketcher.points(options);
  let step = iterator.next();
  for (; !step.done; step = iterator.next()) rows.push(step.value);
  return { strokes: rows, ended: step.value };
}

function time({ points: count }) {
  const { decoder } = sketcher.network;
  const times = [];
  let state = decoder.begin(sketcher.network.context(null, null));
  for (let i = 0; i < count; i++) {
    const begin = performance.now();
    state = decoder.read(sketcher.facts.start_token, state);
    decoder.raw(state);
    times.push(performance.now() - begin);
  }
  return times.sort((a, b) => a - b)[count >> 1];
}

function answer({ verb, arguments: given = [], ...other }) {
  try {
    if (other.raw) return raw(other.raw);
    if (other.time) return time(other.time);
    if (other.settings) {
      const bytes = new Uint8Array(readFileSync(`${folder}/model.bin`));
      return new Sketcher(bytes, other.settings)[verb](...given);
    }
    if (other.file !== undefined)
      return new Sketcher(new Uint8Array(Buffer.from(other.file, "base64"))).facts;
    if (verb === "points") return points(...given);
    const found = sketcher[verb](...given);
    return Array.isArray(found) ? found.map(plain) : found;
  } catch (error) {
    return { error: error.message, kind: error.name };
  }
}

const requests = JSON.parse(readFileSync(0, "utf-8"));
process.stdout.write(JSON.stringify(requests.map(answer)));
