// Drawings as stroke-3 rows [dx, dy, penLifted] and as lists of absolute points: the twin of
// sketch_rnn_tf/strokes.py.

import { SketchError } from "./errors.js";

/** Returns a drawing's stroke-3 rows after looking at every value.
 *
 * @param sketch {strokes: rows}, or the rows themselves.
 * @param where what messages name.
 */
export function checkedRows(sketch, where) {
  const rows = sketch?.strokes ?? sketch;
  if (!rows || typeof rows !== "object" || !(rows.length >= 0))
    throw new SketchError(`${where} is not a drawing, expected rows of [dx, dy, pen lifted]`);
  return Array.from(rows, (row, i) => {
    if (row?.length !== 3 || !Array.from(row).every(Number.isFinite))
      throw new SketchError(`${where} has at row ${i} no three finite numbers`);
    if (row[2] !== 0 && row[2] !== 1)
      throw new SketchError(`${where} has a pen state other than 0 and 1`);
    return [Math.fround(row[0]), Math.fround(row[1]), row[2]];
  });
}

/** Returns absolute strokes [[[x, y], ...], ...] as stroke-3 rows; row 0 is the first point. */
export function toRows(polylines) {
  const rows = [];
  let [x, y] = [0, 0];
  for (const stroke of polylines) {
    stroke.forEach(([nextX, nextY], i) => {
      rows.push([nextX - x, nextY - y, +(i === stroke.length - 1)]);
      [x, y] = [nextX, nextY];
    });
  }
  return rows;
}

/** Returns stroke-3 rows as absolute strokes; a last one whose pen is never lifted is one too. */
export function toPolylines(rows) {
  const strokes = [];
  let [x, y] = [0, 0];
  let begins = true;
  for (const [dx, dy, lifted] of rows) {
    [x, y] = [x + dx, y + dy];
    if (begins) strokes.push([]);
    strokes.at(-1).push([x, y]);
    begins = lifted === 1;
  }
  return strokes;
}
