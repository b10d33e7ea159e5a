// Matrix times vector. Nearly all the time of a point is spent here.

/** Adds the products of a matrix's rows with a vector to `out`.
 *
 * Four rows are multiplied side by side: a number of the vector is then loaded once for four
 * products, and the four sums do not wait for each other.
 *
 * @param out Float64Array, at least [begin + rows].
 * @param matrix {rows, columns, values}: Float32Array, row after row.
 * @param x Float64Array [columns].
 * @param begin where in `out` the first row's product goes.
 */
export function addProduct(out, matrix, x, begin = 0) {
  const { rows, columns, values } = matrix;
  let row = 0;
  for (; row + 3 < rows; row += 4) {
    const first = row * columns;
    const second = first + columns;
    const third = second + columns;
    const fourth = third + columns;
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    for (let i = 0; i < columns; i++) {
      const value = x[i];
      a += values[first + i] * value;
      b += values[second + i] * value;
      c += values[third + i] * value;
      d += values[fourth + i] * value;
    }
    out[begin + row] += a;
    out[begin + row + 1] += b;
    out[begin + row + 2] += c;
    out[begin + row + 3] += d;
  }
  for (; row < rows; row++) {
    let sum = 0;
    for (let i = 0; i < columns; i++) sum += values[row * columns + i] * x[i];
    out[begin + row] += sum;
  }
}

/** Returns matrix x + bias, Float64Array [rows]. */
export function affine(matrix, x, bias) {
  const out = Float64Array.from(bias);
  addProduct(out, matrix, x);
  return out;
}
