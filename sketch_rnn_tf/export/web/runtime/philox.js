// TensorFlow's random numbers for the same seeds: Philox 4x32-10 (Salmon et al., "Parallel random
// numbers: as easy as 1, 2, 3", SC11). The twin of sketch_rnn_tf/ondevice/noise.py: sketch (a, b)
// takes its uniforms from the seed (a, 4b), its normals from (a, 4b + 1) and its latent vector from
// (a, 4b + 2).

const [UNIFORMS, NORMALS, LATENT] = [0, 1, 2];
const FACTORS = [0xd2511f53, 0xcd9e8d57]; // of Philox's multiplications
const WEYL = [0x9e3779b9, 0xbb67ae85]; // what a round adds to the key
const SCRAMBLE = [0x3ec8f720, 0x02461e29]; // TensorFlow's key for seeds
const ROUNDS = 10;
const LEAST = Math.fround(1e-7); // uniforms below pass for it before their logarithm is taken
const TURN = Math.fround(2 * Math.PI);

/** Returns the upper 32 bits of the product of two unsigned 32-bit numbers. */
function upperProduct(a, b) {
  const [a0, a1, b0, b1] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16];
  const middle = a1 * b0 + ((a0 * b0) >>> 16); // below 2^53
  const crossed = a0 * b1 + (middle % 0x10000);
  return (a1 * b1 + Math.floor(middle / 0x10000) + Math.floor(crossed / 0x10000)) >>> 0;
}

/** Returns four random words of a counter [4] and a key [2]. */
export function philox(counter, key) {
  let [x0, x1, x2, x3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < ROUNDS; round++) {
    const [high0, low0] = [upperProduct(FACTORS[0], x0), Math.imul(FACTORS[0], x0) >>> 0];
    const [high1, low1] = [upperProduct(FACTORS[1], x2), Math.imul(FACTORS[1], x2) >>> 0];
    [x0, x1, x2, x3] = [(high1 ^ x1 ^ k0) >>> 0, low1, (high0 ^ x3 ^ k1) >>> 0, low0];
    k0 = (k0 + WEYL[0]) >>> 0;
    k1 = (k1 + WEYL[1]) >>> 0;
  }
  return [x0, x1, x2, x3];
}

/** The random words of one seed, a block of four at a time: any word without those before it. */
class Words {
  constructor(seeds, stream) {
    const low = Math.trunc(seeds[0]) | 0;
    const high = (Math.imul(4, seeds[1]) + stream) | 0; // wraps as TensorFlow's int32
    const signs = [low, low < 0 ? -1 : 0, high, high < 0 ? -1 : 0];
    const mixed = philox(
      signs.map((word) => word >>> 0),
      SCRAMBLE,
    );
    this.key = mixed.slice(0, 2);
    this.rest = mixed.slice(2);
    this.number = -1;
    this.block = null;
  }

  at(index) {
    const number = Math.floor(index / 4);
    if (number !== this.number) {
      this.block = philox([number, 0, ...this.rest], this.key);
      this.number = number;
    }
    return this.block[index % 4];
  }

  /** Returns a number in [0, 1): the lower 23 bits as the fraction of a float from 1 to 2. */
  uniform(index) {
    return (this.at(index) & 0x7fffff) / 0x800000;
  }

  /** Returns a pair of standard normals from words 2 number and 2 number + 1 (Box and Muller). */
  normals(number) {
    const radius = Math.sqrt(-2 * Math.log(Math.max(this.uniform(2 * number), LEAST)));
    const angle = Math.fround(TURN * this.uniform(2 * number + 1));
    return [Math.fround(Math.sin(angle) * radius), Math.fround(Math.cos(angle) * radius)];
  }
}

/** The noise of one sketch, point by point. */
export class Noise {
  /** @param seeds [2], integers of 32 bits. */
  constructor(seeds) {
    this.uniforms = new Words(seeds, UNIFORMS);
    this.gaussians = new Words(seeds, NORMALS);
  }

  /** Returns point t's uniforms for component and pen, and standard normals for x and y. */
  at(t) {
    const uniforms = [this.uniforms.uniform(2 * t), this.uniforms.uniform(2 * t + 1)];
    return [...uniforms, ...this.gaussians.normals(t)];
  }
}

/** Returns standard normals for a latent vector, Float64Array [size]. */
export function latent(seeds, size) {
  const words = new Words(seeds, LATENT);
  const z = new Float64Array(size);
  for (let i = 0; i < size; i++) z[i] = words.normals(i >> 1)[i & 1];
  return z;
}
