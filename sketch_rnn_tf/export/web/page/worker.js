// What runs beside the page, so that drawing never stutters: the model, and the making of GIFs.
// Drawings of one group replace each other; several sketches of a drawing grow side by side.

import { between } from "../runtime/latent_space.js";
import { Sketcher } from "../runtime/sketcher.js";
import { GifEncoder } from "./gif.js";

const SLICE = 8; // milliseconds between two looks at what the page wants

let sketcher = null;
let gif = null;
const drawings = new Map(); // by group

const answers = {
  load({ bytes, base64 }) {
    const data = bytes ?? Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    drawings.clear();
    sketcher = new Sketcher(data);
    return { facts: { ...sketcher.facts, tensors: [] }, bytes: data };
  },
  draw({ id, group, sketches, inTurn }) {
    const rows = sketches.map((options) => ({ rows: sketcher.points(withWay(options)) }));
    drawings.set(group, { id, open: rows.map((one, k) => ({ ...one, k })), inTurn });
    work();
  },
  stop({ group }) {
    drawings.delete(group);
  },
  latent({ sketch, options }) {
    return sketch ? sketcher.encode([sketch], options)[0] : sketcher.prior(options);
  },
  next({ sketch, options }) {
    return sketcher.next(sketch, options);
  },
  gifBegin({ width, height, palette }) {
    gif = new GifEncoder(width, height, palette);
  },
  gifFrame({ indices, delay }) {
    gif.add(indices, delay);
  },
  gifEnd() {
    return gif.finish();
  },
};

/** Replaces {way: {a, b, fraction, interpolation}} by the latent vector there. */
function withWay({ way, ...options }) {
  if (!way) return options;
  return { ...options, z: between(way.a, way.b, way.fraction, way.interpolation) };
}

self.onmessage = ({ data }) => {
  try {
    const value = answers[data.verb](data);
    if (data.verb !== "draw") self.postMessage({ id: data.id, value });
  } catch (error) {
    self.postMessage({
      id: data.id,
      error: error.message,
      isMistake: error.name === "SketchError",
    });
  }
};

let isWorking = false;

/** Draws points of all drawings until none is open, a slice at a time. */
function work() {
  if (isWorking) return;
  isWorking = true;
  const slice = () => {
    const until = performance.now() + SLICE;
    while (drawings.size && performance.now() < until)
      for (const [group, drawing] of drawings) advance(group, drawing);
    isWorking = drawings.size > 0;
    if (isWorking) setTimeout(slice, 0);
  };
  setTimeout(slice, 0);
}

/** Draws a point of each open sketch, or of the first where they come in turn. */
function advance(group, drawing) {
  const open = drawing.inTurn ? drawing.open.slice(0, 1) : drawing.open;
  try {
    for (const sketch of open) {
      const { done, value } = sketch.rows.next();
      sketch.done = done;
      const what = done ? { ended: value } : { row: value };
      self.postMessage({ id: drawing.id, k: sketch.k, ...what });
    }
  } catch (error) {
    drawings.delete(group);
    self.postMessage({
      id: drawing.id,
      error: error.message,
      isMistake: error.name === "SketchError",
    });
    return;
  }
  drawing.open = drawing.open.filter((sketch) => !sketch.done);
  if (!drawing.open.length) drawings.delete(group);
}
