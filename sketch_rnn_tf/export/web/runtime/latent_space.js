// Ways through latent space: the twin of sketch_rnn_tf/sketcher/latent_space.py.

import { SketchError } from "./errors.js";

const PARALLEL = 1e-6; // sine of an angle below which the arc between two vectors is a line

function norm(vector) {
  return Math.hypot(...vector);
}

function unit(vector) {
  const length = norm(vector);
  return length > 0 ? vector.map((value) => value / length) : vector;
}

/** Returns the weights of the two ends on the arc, or on the line where there is no arc. */
function arcWeights(a, b, fraction) {
  const [unitA, unitB] = [unit(a), unit(b)];
  const halfSine = norm(unitA.map((value, i) => value - unitB[i]));
  const halfCosine = norm(unitA.map((value, i) => value + unitB[i]));
  const angle = 2 * Math.atan2(halfSine, halfCosine);
  const sine = Math.sin(angle);
  const straight = sine < PARALLEL || !unitA.some(Boolean) || !unitB.some(Boolean);
  if (straight) return [1 - fraction, fraction];
  return [Math.sin((1 - fraction) * angle) / sine, Math.sin(fraction * angle) / sine];
}

/** Returns the latent vector a fraction of the way from a to b, Float64Array.
 *
 * @param interpolation `spherical` or `linear`.
 */
export function between(a, b, fraction, interpolation = "spherical") {
  if (interpolation !== "spherical" && interpolation !== "linear")
    throw new SketchError(
      `there is no interpolation "${interpolation}"; there are spherical, linear`,
    );
  const [first, second] = [Float64Array.from(a), Float64Array.from(b)];
  let weights = [1 - fraction, fraction];
  if (interpolation === "spherical" && fraction !== 0 && fraction !== 1)
    weights = arcWeights(first, second, fraction);
  return first.map((value, i) => Math.fround(weights[0] * value + weights[1] * second[i]));
}
