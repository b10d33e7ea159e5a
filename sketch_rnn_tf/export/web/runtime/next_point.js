// The distribution of the next point: the twin of sketch_rnn_tf/ondevice/next_point.py.

const PEN_STATES = 3; // down, up, end of sketch
const [MAX_LOG_SCALE, MAX_FISHER_Z, MAX_LOGIT] = [20, 8, 1e4];

function clip(value, limit) {
  return Math.min(Math.max(value, -limit), limit);
}

/** Returns the divisors of pen and mixture logits and the factor of sigma.
 *
 * @param temperature [3], of pen, mixture and offsets.
 * @param mode `paper`: logits / tau, sigma sqrt(tau); `magenta`: sigma tau; `javascript`: logits /
 *   (0.5 + 0.5 tau), sigma sqrt(tau).
 */
export function tempering([pen, mixture, offset], mode) {
  const factor = mode === "magenta" ? offset : Math.sqrt(offset);
  return mode === "javascript"
    ? [0.5 + pen / 2, 0.5 + mixture / 2, factor]
    : [pen, mixture, factor];
}

function softmax(logits, begin, end, divisor) {
  const weights = new Float64Array(end - begin);
  let largest = -Infinity;
  for (let i = begin; i < end; i++) {
    weights[i - begin] = clip(logits[i], MAX_LOGIT) / divisor;
    largest = Math.max(largest, weights[i - begin]);
  }
  let sum = 0;
  for (let i = 0; i < weights.length; i++) {
    weights[i] = Math.exp(weights[i] - largest);
    sum += weights[i];
  }
  return weights.map((weight) => weight / sum);
}

/** Returns the index at which the cumulated probabilities pass a uniform number. */
function choose(weights, uniform) {
  let passed = 0;
  for (let i = 0; i < weights.length - 1; i++) {
    passed += weights[i];
    if (passed > uniform) return i;
  }
  return weights.length - 1;
}

function likeliest(weights) {
  return weights.indexOf(Math.max(...weights));
}

/** Returns what the decoder says of the next point, in normalized units.
 *
 * @param raw [3 + 6M]: pen logits, then the blocks pi, mu_x, mu_y, log sigma_x, log sigma_y and
 *   the arc tangent of rho.
 * @returns {pen: [3], components: [{weight, x, y, sigmaX, sigmaY, rho}]}, probabilities and sigmas
 *   at that temperature.
 */
export function mixture(raw, temperature, mode) {
  const count = (raw.length - PEN_STATES) / 6;
  const [penDivisor, mixtureDivisor, factor] = tempering(temperature, mode);
  const weights = softmax(raw, PEN_STATES, PEN_STATES + count, mixtureDivisor);
  const components = Array.from(weights, (weight, k) => component(raw, k, weight, factor));
  return { pen: Array.from(softmax(raw, 0, PEN_STATES, penDivisor)), components };
}

function component(raw, k, weight, factor) {
  const count = (raw.length - PEN_STATES) / 6;
  const block = (number) => raw[PEN_STATES + number * count + k];
  return {
    weight,
    x: block(1),
    y: block(2),
    sigmaX: Math.exp(clip(block(3), MAX_LOG_SCALE)) * factor,
    sigmaY: Math.exp(clip(block(4), MAX_LOG_SCALE)) * factor,
    rho: Math.tanh(clip(block(5), MAX_FISHER_Z)),
  };
}

/** Chooses the next point.
 *
 * @param noise [4]: uniforms for the component and the pen, standard normals for x and y.
 * @param greedy the likeliest component's mean and the likeliest pen state.
 * @returns a stroke-5 row, normalized units.
 */
export function nextPoint(raw, noise, temperature, mode, greedy) {
  const count = (raw.length - PEN_STATES) / 6;
  const [penDivisor, mixtureDivisor, factor] = tempering(temperature, mode);
  const pens = softmax(raw, 0, PEN_STATES, penDivisor);
  const weights = softmax(raw, PEN_STATES, PEN_STATES + count, mixtureDivisor);
  const pen = greedy ? likeliest(pens) : choose(pens, noise[1]);
  const k = greedy ? likeliest(weights) : choose(weights, noise[0]);
  let { x, y, sigmaX, sigmaY, rho } = component(raw, k, weights[k], factor);
  if (!greedy) {
    x += sigmaX * noise[2];
    y += sigmaY * (rho * noise[2] + Math.sqrt(1 - rho * rho) * noise[3]);
  }
  return [Math.fround(x), Math.fround(y), +(pen === 0), +(pen === 1), +(pen === 2)];
}
