// A sheet of paper on a canvas: shows ink, and takes a pen, a finger, a mouse or the keyboard.

import { drawInk, framed } from "./ink.js";

const DEAD_ZONE = 2; // pixels that a pen moves before it draws
const STEP = 1 / 40; // of the paper, that an arrow key moves the pen

/** A canvas that shows strokes in units of its own: `side` of them from edge to edge. */
export class Sheet {
  constructor(canvas) {
    this.canvas = canvas;
    [this.side, this.left, this.top] = [1, 0, 0]; // what is to be seen
    this.strokes = []; // {points, color, alpha}
    this.pen = null; // {x, y, color}, of a drawing that grows
    this.under = null; // a function that draws beneath the ink
    this.place = { scale: 1, x: 0, y: 0 };
  }

  /** Steps back until a square of this side from the corner on shows all of the strokes.
   *
   * @returns whether it is still on its way.
   */
  stepBack(side) {
    const goals = framed(this.strokes, side);
    let isMoving = false;
    for (const [name, goal] of Object.entries(goals)) {
      const near = Math.abs(goal - this[name]) < side / 500;
      this[name] = near || this.side < side ? goal : this[name] + (goal - this[name]) * 0.18;
      isMoving ||= !near;
    }
    return isMoving;
  }

  /** Draws everything anew; lines are as thick on every sheet of one size. */
  render() {
    const { canvas } = this;
    const pixels = Math.round(canvas.clientWidth * Math.min(devicePixelRatio || 1, 3));
    if (!pixels) return;
    if (canvas.width !== pixels) canvas.width = canvas.height = pixels;
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, pixels, pixels);
    const scale = pixels / this.side;
    this.place = { scale, x: -this.left * scale, y: -this.top * scale };
    this.under?.(context, this.place, pixels);
    drawInk(context, this.strokes, lineWidth(pixels), this.place);
    if (this.pen) drawPen(context, this.pen, this.place, pixels);
  }
}

function lineWidth(pixels) {
  return Math.max(pixels / 170, Math.min(2.2, pixels / 60));
}

function drawPen(context, { x, y, color }, place, pixels) {
  context.fillStyle = color;
  for (const [radius, alpha] of [
    [1 / 36, 0.14],
    [1 / 110, 1],
  ]) {
    context.globalAlpha = alpha;
    context.beginPath();
    context.arc(
      x * place.scale + place.x,
      y * place.scale + place.y,
      Math.max(pixels * radius, 2),
      0,
      2 * Math.PI,
    );
    context.fill();
  }
  context.globalAlpha = 1;
}

/** A sheet that can be drawn on. */
export class Paper extends Sheet {
  /** @param on {begin(), stroke(points, times), color()}: what happens as a stroke begins and ends
   * (times are milliseconds, one for each point), and the ink that it is drawn with. */
  constructor(canvas, on) {
    super(canvas);
    this.on = on;
    this.line = null; // the points of the stroke that is being drawn
    this.times = null; // when the pen was there
    this.cursor = null; // where the keyboard's pen is
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"])
      canvas.addEventListener(name, (event) => this.#up(event));
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("blur", () => this.#finish());
  }

  render() {
    super.render();
    const context = this.canvas.getContext("2d");
    const pixels = this.canvas.width;
    if (this.line) {
      const stroke = { points: this.line, color: this.on.color() };
      drawInk(context, [stroke], lineWidth(pixels), this.place);
    }
    if (this.cursor && document.activeElement === this.canvas) {
      const [x, y] = this.cursor;
      drawPen(context, { x, y, color: this.on.color() }, this.place, pixels);
    }
  }

  #position(event) {
    const box = this.canvas.getBoundingClientRect();
    const factor = this.side / box.width;
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    return [this.left + x * factor, this.top + y * factor];
  }

  #down(event) {
    if (!event.isPrimary || event.button !== 0) return;
    this.canvas.setPointerCapture?.(event.pointerId);
    this.cursor = null;
    this.from = [event.clientX, event.clientY];
    this.#begin(this.#position(event), event.timeStamp);
    this.render();
  }

  #begin(point, time) {
    [this.line, this.times] = [[point], [time]];
    this.on.begin();
  }

  #add(point, time) {
    this.line?.push(point);
    this.times?.push(time);
  }

  #move(event) {
    if (!this.line || !event.isPrimary || this.cursor) return;
    const [x, y] = this.from;
    const isStill = this.line.length === 1;
    if (isStill && Math.hypot(event.clientX - x, event.clientY - y) < DEAD_ZONE) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const one of events.length ? events : [event])
      this.#add(this.#position(one), one.timeStamp);
    this.render();
  }

  #up(event) {
    if (!this.line || !event.isPrimary || this.cursor) return;
    if (event.type === "pointercancel" && this.line.length === 1) this.line = null; // no dot
    this.#finish();
  }

  #finish() {
    const points = this.line;
    this.line = null;
    if (points) this.on.stroke(points, this.times);
    this.render();
  }

  /** Shows a paper of this side, from farther away where what is drawn leaves it.
   *
   * @returns whether it is still on its way; while a pen draws nothing moves beneath it.
   */
  follow(side) {
    return this.line ? false : this.stepBack(side);
  }

  #middle() {
    return [this.left + this.side / 2, this.top + this.side / 2];
  }

  /** Arrows move the pen, Enter lowers and lifts it. */
  #key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[event.key];
    if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) {
      this.cursor ??= this.#middle();
      if (this.line) this.#finish();
      else this.#begin(this.cursor, event.timeStamp);
    } else if (step) {
      const length = this.side * STEP * (event.shiftKey ? 4 : 1);
      const from = this.cursor ?? this.#middle();
      const corner = [this.left, this.top];
      this.cursor = from.map((value, i) =>
        Math.min(Math.max(value + step[i] * length, corner[i]), corner[i] + this.side),
      );
      this.#add(this.cursor, event.timeStamp);
    } else return;
    event.preventDefault();
    event.stopPropagation();
    this.render();
  }
}
