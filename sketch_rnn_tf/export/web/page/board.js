// What has been drawn on a paper: strokes in the units of the model's data, yours and the model's.

import { toRows } from "../runtime/strokes.js";
import { snapped } from "./address.js";
import { simplify } from "./simplify.js";

const ROOM = 1.6; // side of a paper, in extents of a drawing
export const HUES = 6; // the model's inks, 1 to 6; 0 is yours

/** Strokes {points: [[x, y], ...], hue} on a paper. */
export class Board {
  constructor(facts, strokes = []) {
    [this.facts, this.strokes] = [facts, strokes];
  }

  get side() {
    return this.facts.extent * ROOM;
  }

  get isEmpty() {
    return this.strokes.length === 0;
  }

  /** Adds a stroke of the pen with as many points as the model's data would have. */
  draw(points) {
    const { simplification, extent } = this.facts;
    this.add(simplify(points, simplification, extent), 0);
  }

  /** Adds a stroke as it is, in coordinates that a link keeps. */
  add(points, hue) {
    const exact = points.map((point) => point.map((value) => snapped(value, this.facts.extent)));
    this.strokes.push({ points: exact, hue });
  }

  /** Takes back your last stroke and what the model drew after it. */
  undo() {
    let last = this.strokes.length - 1;
    while (last > 0 && this.strokes[last].hue) last--;
    this.strokes.splice(Math.max(last, 0));
  }

  /** Returns stroke-3 rows; the first point is their origin. */
  rows() {
    if (this.isEmpty) return [];
    const [left, top] = this.strokes[0].points[0];
    const moved = this.strokes.map(({ points }) => points.map(([x, y]) => [x - left, y - top]));
    return toRows(moved);
  }

  /** Returns where the pen was lifted last. */
  end() {
    return this.strokes.at(-1).points.at(-1);
  }

  /** Returns the sentence for a drawing that the model cannot read, or nothing. */
  problem() {
    const [count, most] = [this.rows().length, this.facts.max_length];
    if (count < most) return "";
    return `This drawing has ${count} points; the model goes on with drawings of fewer than ${most}. Take a stroke back, or clear the paper.`;
  }

  /** Returns what is to be seen, in the page's colors. */
  inks({ ink, colors }) {
    return this.strokes.map(({ points, hue }) => ({ points, color: hue ? colors[hue - 1] : ink }));
  }
}
