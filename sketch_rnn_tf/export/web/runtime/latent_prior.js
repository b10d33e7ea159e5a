// Where the latent vectors of new drawings come from: the twin of sketch_rnn_tf/latent_prior.py.

import { damaged, fromHalf } from "./model_file.js";

/** Returns a function of standard normals and a label that gives a latent vector, or null.
 *
 * @param facts the model's; null stands for the prior N(0, 1).
 */
export function latentPrior({ conditional, latent_prior: content, z_size: size, classes }) {
  if (!conditional || !content) return null;
  const count = content.directions;
  const means = numbers(content.means, Math.max(classes.length, 1) * size);
  const axes = numbers(content.axes, Math.max(classes.length, 1) * count * size);
  return (normals, label) => {
    const from = (label ?? 0) * size;
    const z = Float64Array.from(means.subarray(from, from + size));
    for (let k = 0; k < count; k++)
      for (let i = 0; i < size; i++) z[i] += normals[k] * axes[from * count + k * size + i];
    return z;
  };
}

/** Returns numbers that are written as base64 of 16 bits each, Float64Array. */
function numbers(text, count) {
  let bytes = "";
  try {
    bytes = atob(text);
  } catch {}
  if (!Number.isInteger(count) || bytes.length !== 2 * count)
    throw damaged("its latent_prior does not fit the model");
  const found = Float64Array.from({ length: count }, (_, i) =>
    fromHalf(bytes.charCodeAt(2 * i) | (bytes.charCodeAt(2 * i + 1) << 8)),
  );
  if (!found.every(Number.isFinite)) throw damaged("its latent_prior is not finite");
  return found;
}
