// From dense strokes to few points: the twin of data_prep/conversion/simplify.py. The page's paper
// has the size of the data's drawings already, so nothing is aligned or scaled.

/** Returns a stroke [[x, y], ...] with the points that a model's data would have.
 *
 * @param simplification of the run: {method: "quickdraw" | "rdp" | "none", epsilon, spacing}.
 * @param extent the size of a drawing; where nothing is known of the data, or it was not
 *   simplified, points are dropped as Quick, Draw! does at 255.
 */
export function simplify(points, simplification, extent) {
  const { method = "none", epsilon, spacing } = simplification ?? {};
  if (method === "none") return kept(points, (extent * 2) / 255, false);
  if (method === "rdp") return kept(points, epsilon, false);
  const simple = kept(resample(points, spacing), epsilon, true);
  return simple.map(([x, y]) => [Math.round(x), Math.round(y)]);
}

/** Places points along a stroke at equal distances; its first and last point are kept. */
export function resample(points, spacing) {
  const along = [0];
  for (let i = 1; i < points.length; i++) {
    const [dx, dy] = [points[i][0] - points[i - 1][0], points[i][1] - points[i - 1][1]];
    along.push(along[i - 1] + Math.sqrt(dx * dx + dy * dy));
  }
  const length = along.at(-1);
  if (!(length > 0)) return [points[0], points.at(-1)];
  const placed = [];
  let start = 0;
  for (let k = 0; k * spacing < length; k++) {
    while (along[start + 1] <= k * spacing) start++;
    const [x, y] = points[start];
    const step = along[start + 1] - along[start];
    const rest = k * spacing - along[start];
    const [dx, dy] = [points[start + 1][0] - x, points[start + 1][1] - y];
    placed.push([(dx / step) * rest + x, (dy / step) * rest + y]);
  }
  return [...placed, points.at(-1)];
}

/** Drops points by Ramer-Douglas-Peucker.
 *
 * @param wholeLine measure to the infinite line through the chord's ends, as Google did.
 */
export function kept(points, epsilon, wholeLine) {
  const keep = new Set([0, points.length - 1]);
  const spans = [[0, points.length - 1]];
  while (spans.length) {
    const [first, last] = spans.pop();
    let [farthest, distance] = [0, -1];
    for (let i = first + 1; i < last; i++) {
      const own = distanceToChord(points[i], points[first], points[last], wholeLine);
      if (own > distance) [farthest, distance] = [i, own];
    }
    if (distance > epsilon) {
      keep.add(farthest);
      spans.push([farthest, last], [first, farthest]);
    }
  }
  return points.filter((_, i) => keep.has(i));
}

function distanceToChord([pointX, pointY], [startX, startY], [endX, endY], wholeLine) {
  const [x, y, chordX, chordY] = [pointX - startX, pointY - startY, endX - startX, endY - startY];
  const length = Math.sqrt(chordX * chordX + chordY * chordY);
  if (!(length > 0)) return Math.sqrt(x * x + y * y);
  const across = Math.abs((chordX / length) * y - (chordY / length) * x);
  const along = (chordX / length) * x + (chordY / length) * y;
  const beyond = wholeLine ? 0 : Math.max(-along, along - length, 0);
  return beyond > 0 ? Math.sqrt(across * across + beyond * beyond) : across;
}
