/** Sketch-RNN in JavaScript: the verbs of sketch_rnn_tf.Sketcher on plain arrays. */

/** A row of a drawing: the step to the next point, and 1 where the stroke ends there. */
export type Row = [dx: number, dy: number, penLifted: number];

export interface Sketch {
  /** Rows in the units of the data that the model was trained on. */
  strokes: Row[];
  /** Its class, null where the model knows none. */
  label: string | null;
  /** Whether the sketch ended by itself, not by its number of points. */
  ended: boolean;
  /** How many rows at the beginning were given, not drawn. */
  given: number;
}

/** A drawing that is read: a sketch, or its rows. */
export type Drawing = { strokes: ArrayLike<ArrayLike<number>> } | ArrayLike<ArrayLike<number>>;

/** Above 0: low is careful, 1 is as learned. One for all, one for each sketch, or by part. */
export type Temperature =
  | number
  | number[]
  | { pen?: number | number[]; mixture?: number | number[]; offset?: number | number[] };

export type TemperatureMode = "paper" | "magenta" | "javascript";

export interface DrawOptions {
  /** 0.4 when not given. */
  temperature?: Temperature;
  /** An integer s gives sketch i the row of seeds [s, i], as in Python; or the rows themselves. */
  seed?: number | [number, number][];
  /** Class for all sketches or one for each; needed by class-conditioned models only. */
  label?: string | string[] | null;
  /** Always the likeliest point. */
  greedy?: boolean;
  /** Where a drawing that does not end is cut off; the model's longest when not given. */
  maxPoints?: number;
  /** Random numbers of the points instead of the seed's, [sketches][points][4]. */
  noise?: ArrayLike<ArrayLike<number>>[];
  /** Keep a drawing that ended before it drew anything; such a one is drawn anew otherwise. */
  keepEmpty?: boolean;
}

export interface GenerateOptions extends DrawOptions {
  /** How many, 1 when not given. */
  num?: number;
  /** Latent vectors to draw from, one for each. */
  z?: ArrayLike<number>[];
}

export interface ReconstructOptions extends DrawOptions {
  /** Draw z from q(z|sketch) instead of taking its mean. */
  sampleZ?: boolean;
}

export interface CompleteOptions extends ReconstructOptions {
  /** How many continuations of each, 1 when not given. */
  num?: number;
  /** Latent vectors to go on with instead of the beginnings' own. */
  z?: ArrayLike<number>[];
}

export interface InterpolateOptions extends DrawOptions {
  /** Drawings from end to end, the ends' reconstructions included; 10 when not given. */
  steps?: number;
  interpolation?: "spherical" | "linear";
}

export interface PointsOptions extends DrawOptions {
  /** The latent vector to draw from. */
  z?: ArrayLike<number>;
  /** A drawing to go on with. */
  begun?: Drawing;
  /** Which of its continuations. */
  copy?: number;
}

export interface Component {
  weight: number;
  x: number;
  y: number;
  sigmaX: number;
  sigmaY: number;
  rho: number;
}

export interface NextPoint {
  /** Probabilities that the pen stays down, is lifted, and that the sketch has ended. */
  pen: [number, number, number];
  /** Where the next point is, relative to the last: a mixture of bivariate normals. */
  components: Component[];
}

/** A mistake of the caller or a bad file: its message is one sentence. */
export class SketchError extends Error {}

export class Sketcher {
  /** What model.bin says of the model: scale_factor, max_length, num_mixtures, z_size ... */
  readonly facts: Record<string, unknown> & { max_length: number; scale_factor: number };
  readonly classes: string[];
  /** Whether the model has an encoder; else it can generate and complete only. */
  readonly conditional: boolean;
  readonly temperatureMode: TemperatureMode;
  constructor(bytes: Uint8Array, options?: LoadOptions);
  generate(options?: GenerateOptions): Sketch[];
  complete(sketches: Drawing[], options?: CompleteOptions): Sketch[];
  encode(sketches: Drawing[], options?: { label?: string | string[] | null }): Float64Array[];
  /** The latent vector that `generate` draws a seed's first sketch from. */
  prior(options?: DrawOptions): Float64Array;
  reconstruct(sketches: Drawing[], options?: ReconstructOptions): Sketch[];
  interpolate(
    ends: [Drawing | ArrayLike<number>, Drawing | ArrayLike<number>],
    options?: InterpolateOptions,
  ): Sketch[];
  /** Yields rows one at a time; returns whether the sketch ended by itself. */
  points(options?: PointsOptions): Generator<Row, boolean, void>;
  /** What the model says of the point that follows a drawing. */
  next(sketch: Drawing, options?: PointsOptions): NextPoint;
}

export interface LoadOptions {
  /** How a temperature acts, instead of the model's own way. */
  temperatureMode?: TemperatureMode;
}

/** Opens a model: an address, a Response, a Blob or File, or the bytes of a model.bin. */
export function load(
  source: string | URL | Response | Blob | ArrayBuffer | ArrayBufferView,
  options?: LoadOptions,
): Promise<Sketcher>;

/** The random numbers of one sketch, those of Python for the same row of seeds. */
export class Noise {
  constructor(seeds: [number, number]);
  /** Point t's uniforms for component and pen, and standard normals for x and y. */
  at(t: number): [number, number, number, number];
}

/** The latent vector from the prior that a row of seeds stands for. */
export function latent(seeds: [number, number], size: number): Float64Array;

/** Chooses a stroke-5 row (normalized units) from what the decoder's step gives.
 *
 * @param raw [3 + 6M].
 * @param noise of a `Noise`.
 * @param temperature of pen, mixture and offsets.
 */
export function nextPoint(
  raw: ArrayLike<number>,
  noise: ArrayLike<number>,
  temperature: [number, number, number],
  mode: TemperatureMode,
  greedy?: boolean,
): [number, number, number, number, number];
