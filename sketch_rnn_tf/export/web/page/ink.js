// Ink on paper: strokes on a canvas, how they grow, and where a drawing lies in its cell.

const PACE = [16, 70]; // milliseconds of a point, from the shortest step to the longest
const LIFT = 110; // milliseconds that a lifted pen takes to its next place

/** Returns the page's colors as they are now, light or dark. */
export function pageColors() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  const colors = [1, 2, 3, 4, 5, 6].map((number) => read(`--ink-${number}`));
  return { sheet: read("--sheet"), ink: read("--ink"), faint: read("--faint"), colors };
}

/** Draws strokes {points, color, alpha}; `place` is {scale, x, y} from their units to pixels. */
export function drawInk(context, strokes, width, place) {
  context.lineWidth = width;
  context.lineCap = "round";
  context.lineJoin = "round";
  for (const { points, color, alpha = 1 } of strokes) {
    context.globalAlpha = alpha;
    context.strokeStyle = color;
    context.beginPath();
    points.forEach(([x, y], i) => {
      const [left, top] = [x * place.scale + place.x, y * place.scale + place.y];
      if (i) context.lineTo(left, top);
      else context.moveTo(left, top);
      if (points.length === 1) context.lineTo(left + 0.01, top);
    });
    context.stroke();
  }
  context.globalAlpha = 1;
}

/** Returns the {scale, x, y} that centers strokes in a square cell of side 1.
 *
 * @param extent the size that drawings usually have: a small one stays small beside others.
 */
export function fitted(strokes, extent) {
  const points = strokes.flatMap(({ points: own }) => own);
  if (!points.length) return { scale: 1, x: 0, y: 0 };
  const [xs, ys] = [0, 1].map((axis) => points.map((point) => point[axis]));
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [top, bottom] = [Math.min(...ys), Math.max(...ys)];
  const scale = 0.78 / Math.max(extent * 0.9, right - left, bottom - top);
  return { scale, x: 0.5 - ((left + right) / 2) * scale, y: 0.5 - ((top + bottom) / 2) * scale };
}

/** Returns the smallest square {side, left, top} that holds a paper and strokes that leave it.
 *
 * @param side of the paper, whose corner is the origin.
 */
export function framed(strokes, side) {
  const points = strokes.flatMap(({ points: own }) => own);
  const margin = side / 25;
  const [left, top] = [0, 1].map((axis) =>
    Math.min(0, ...points.map((point) => point[axis] - margin)),
  );
  const [right, bottom] = [0, 1].map((axis) =>
    Math.max(side, ...points.map((point) => point[axis] + margin)),
  );
  const wanted = Math.max(right - left, bottom - top);
  return { side: wanted, left: (left + right - wanted) / 2, top: (top + bottom - wanted) / 2 };
}

/** A drawing that appears as a pen would draw it, while its rows come in. */
export class Growth {
  /**
   * @param start where the pen is, in the units of the rows.
   * @param extent of drawings, by which the pace is measured.
   * @param joined whether the first row goes on with a stroke from `start`.
   */
  constructor(start, extent, joined) {
    [this.start, this.extent] = [start, extent];
    this.rows = [];
    this.strokes = joined ? [[start]] : [];
    this.pen = start; // where the pen is now, on its way too
    this.at = start; // where the last row that is drawn ends
    this.isDown = joined;
    this.drawn = 0; // rows
    this.spent = 0; // milliseconds of the row that is on its way
    this.ended = null; // whether it ended by itself, once all rows are here
  }

  /** Whether all is here and drawn. */
  get isDone() {
    return this.ended !== null && this.drawn === this.rows.length;
  }

  /** Lets time pass; Infinity draws all that is here. Returns whether something changed. */
  advance(milliseconds) {
    if (this.drawn === this.rows.length) return false;
    this.spent += milliseconds;
    while (this.drawn < this.rows.length) {
      const [dx, dy, lifted] = this.rows[this.drawn];
      const duration = this.#duration(Math.hypot(dx, dy));
      const part = Math.min(this.spent / duration, 1);
      this.pen = [this.at[0] + dx * part, this.at[1] + dy * part];
      if (part < 1) return true;
      this.spent = milliseconds === Infinity ? Infinity : this.spent - duration;
      this.#arrive(lifted);
    }
    this.spent = 0;
    return true;
  }

  #arrive(lifted) {
    this.at = this.pen;
    if (!this.isDown) this.strokes.push([]);
    this.strokes.at(-1).push(this.at);
    this.isDown = lifted === 0;
    this.drawn++;
  }

  #duration(length) {
    if (!this.isDown) return LIFT;
    return PACE[0] + (PACE[1] - PACE[0]) * Math.min(length / (0.3 * this.extent), 1);
  }

  /** Returns what is to be seen now: strokes of points, the one on its way included. */
  visible() {
    const onWay = this.isDown && this.drawn < this.rows.length;
    if (!onWay || !this.strokes.length) return this.strokes;
    return [...this.strokes.slice(0, -1), [...this.strokes.at(-1), this.pen]];
  }
}
