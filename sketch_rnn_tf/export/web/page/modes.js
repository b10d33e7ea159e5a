// The five things that can be done on the page. Each shows itself in a section of its own.

import { packStrokes, unpackStrokes } from "./address.js";
import { Board, HUES } from "./board.js";
import { heatMap } from "./heat.js";
import { fitted, Growth } from "./ink.js";
import { Paper, Sheet } from "./paper.js";
import { toCell } from "./saving.js";

const REST = 1900; // milliseconds for which an ending stands before the next one begins
const ENDINGS = 9; // endings that Together shows by itself
const NEW = 12; // drawings in the grid
const CLASSES = 24; // classes that are shown by a drawing each
const GHOST = 0.14; // opacity of an ending that is over

/** What the modes share: they show, answer, forget and give their scene. */
class Mode {
  /** @param app see `main.js`: engine, facts, options(), say(), colors, board, changed(). */
  constructor(app, section) {
    [this.app, this.section] = [app, section];
    this.sheets = [];
  }

  find(selector) {
    return this.section.querySelector(selector);
  }

  /** Returns the paper on which you draw, shared with the other modes by its board. */
  paper(canvas, board) {
    const { app } = this;
    const paper = new Paper(canvas, {
      color: () => app.colors.ink,
      begin: () => this.penDown(),
      stroke: (points) => {
        board().draw(points);
        this.answer();
        app.changed();
      },
    });
    this.sheets.push(paper);
    return paper;
  }

  /** Makes cells for drawings of the model, a button each with a canvas. */
  cells(list, count, label, click) {
    const made = Array.from({ length: count }, (_, k) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "cell";
      button.setAttribute("aria-label", label(k));
      const canvas = document.createElement("canvas");
      const caption = document.createElement("span");
      button.append(canvas, caption);
      button.addEventListener("click", () => click(k));
      return { button, caption, sheet: new Sheet(canvas), growth: null };
    });
    list.replaceChildren(...made.map(({ button }) => button));
    this.sheets.push(...made.map(({ sheet }) => sheet));
    return made;
  }

  /** Draws sketches of the model into cells, centered, each as soon as it is whole. */
  fill(group, cells, sketches, hues, finished = () => {}) {
    const { engine, facts } = this.app;
    for (const cell of cells) [cell.growth, cell.coming] = [null, null];
    let open = sketches.length;
    const coming = sketches.map(() => new Growth([0, 0], facts.extent, false));
    const on = {
      row: (k, row) => coming[k].rows.push(row),
      ended: (k, ended) => {
        coming[k].ended = ended;
        [cells[k].growth, cells[k].hue] = [coming[k], hues(k)];
        this.app.wake();
        if (--open === 0) finished(coming);
      },
      failed: (sentence) => this.app.say(sentence, true),
    };
    engine.draw(group, sketches, on, true);
  }

  /** Lets the drawings in cells grow, and shows them. */
  growCells(cells, milliseconds) {
    let isGrowing = false;
    for (const { growth, sheet, hue } of cells) {
      const grew = growth?.advance(milliseconds);
      isGrowing ||= grew;
      if (!growth) sheet.strokes = [];
      else {
        growth.whole ??= wholeOf(growth);
        const place = fitted([{ points: growth.whole }], this.app.facts.extent);
        sheet.side = 1;
        const move = ([x, y]) => [x * place.scale + place.x, y * place.scale + place.y];
        const color = hue ? this.app.colors.colors[hue - 1] : this.app.colors.ink;
        sheet.strokes = growth.visible().map((points) => ({ points: points.map(move), color }));
        const [x, y] = move(growth.pen);
        sheet.pen = growth.isDone ? null : { x, y, color };
      }
      sheet.render();
    }
    return isGrowing;
  }

  /** Returns a scene and the sketches of cells. */
  sceneOf(cells, columns) {
    const { app } = this;
    const { colors, facts } = app;
    const drawn = cells.filter(({ growth }) => growth);
    const color = (hue) => (hue ? colors.colors[hue - 1] : colors.ink);
    return {
      columns: Math.min(columns, drawn.length || 1),
      cells: drawn.map(({ growth, hue }) => {
        const done = complete(growth);
        const strokes = done.strokes.map((points) => ({ points, color: color(hue) }));
        return toCell(strokes, 0, facts.extent);
      }),
      sketches: drawn.map(({ growth, name }) => ({
        strokes: growth.rows,
        label: name ?? app.label(),
        ended: Boolean(growth.ended),
      })),
    };
  }

  penDown() {}
  tick() {
    return false;
  }
  undo() {
    this.app.board.undo();
  }
  clear() {
    this.app.board.strokes = [];
  }
  fields() {
    return { d: packStrokes(this.app.board.strokes, this.app.facts.extent) };
  }
  restore(fields) {
    this.app.board.strokes = unpackStrokes(fields.d, this.app.facts.extent);
  }
}

/** Returns a growth in which all rows are drawn. */
function complete(growth) {
  const done = new Growth(growth.start, growth.extent, growth.strokes[0]?.[0] === growth.start);
  done.rows = growth.rows;
  done.advance(Number.POSITIVE_INFINITY);
  return done;
}

function wholeOf(growth) {
  return complete(growth).strokes.flat();
}

/** You lift the pen, the model goes on; it ends, and begins anew in another color. */
export class Together extends Mode {
  constructor(app, section) {
    super(app, section);
    this.sheet = this.paper(this.find("canvas"), () => app.board);
    this.variation = 0;
    this.isHeld = false;
    this.ghosts = [];
    this.growth = null;
    this.holdButton = this.find(".hold");
    this.holdButton.addEventListener("click", () => this.hold(!this.isHeld));
  }

  get hue() {
    return 1 + (this.variation % HUES);
  }

  /** Stops at this ending, or lets further ones come. */
  hold(isHeld) {
    this.isHeld = isHeld;
    this.holdButton.setAttribute("aria-pressed", String(isHeld));
    this.holdButton.textContent = isHeld ? "Go on" : "Hold";
    if (!isHeld && this.growth?.isDone) this.next();
    this.app.wake();
  }

  /** What the model has drawn so far is yours now. */
  penDown() {
    this.app.engine.stop("reply");
    for (const points of this.growth?.strokes ?? []) this.app.board.add(points, this.hue);
    [this.growth, this.ghosts] = [null, []];
    this.app.wake();
  }

  answer() {
    this.variation = 0;
    this.ghosts = [];
    this.hold(false);
    this.reply();
  }

  next() {
    const color = this.app.colors.colors[this.hue - 1];
    const strokes = this.growth.strokes.map((points) => ({ points, color, alpha: GHOST }));
    this.ghosts = [...this.ghosts, ...strokes];
    this.variation++;
    this.reply();
    this.app.changed();
  }

  reply() {
    const { app } = this;
    app.engine.stop("reply");
    this.growth = null;
    this.rested = 0;
    this.heat();
    const problem = app.board.problem();
    app.say(problem, Boolean(problem));
    if (app.board.isEmpty || problem) return app.wake();
    const growth = new Growth(app.board.end(), app.facts.extent, false);
    this.growth = growth;
    const options = { ...app.options(), begun: app.board.rows(), copy: this.variation };
    app.engine.draw("reply", [options], {
      row: (_, row) => {
        growth.rows.push(row);
        app.wake();
      },
      ended: (_, ended) => {
        growth.ended = ended;
        app.wake();
      },
      failed: (sentence) => app.say(sentence, true),
    });
    return undefined;
  }

  async heat() {
    const { app } = this;
    this.sheet.under = null;
    if (!app.showsHeat || app.board.isEmpty || app.board.problem()) return;
    this.sheet.under = await heatMap(app, app.board);
    app.wake();
  }

  tick(milliseconds) {
    const { app, growth, sheet } = this;
    const grew = growth?.advance(milliseconds);
    const color = app.colors.colors[this.hue - 1];
    const own = growth?.visible().map((points) => ({ points, color })) ?? [];
    sheet.strokes = [...this.ghosts, ...app.board.inks(app.colors), ...own];
    const [x, y] = growth?.pen ?? [];
    sheet.pen = growth && !growth.isDone ? { x, y, color } : null;
    const isMoving = sheet.follow(app.board.side);
    sheet.render();
    this.holdButton.hidden = !growth;
    this.section.classList.toggle("is-empty", app.board.isEmpty && !sheet.line);
    if (!growth?.isDone) return grew || isMoving || Boolean(growth && growth.ended === null);
    if (!this.rested) app.say(this.#told(growth));
    this.rested += Math.max(milliseconds, 1);
    if (this.isHeld || app.isStill || this.variation + 1 >= ENDINGS) return isMoving;
    if (this.rested > REST) this.next();
    return true;
  }

  #told({ rows, ended }) {
    const strokes = rows.filter(([, , lifted]) => lifted).length || 1;
    if (!rows.length) return "The model has nothing to add: it finds the drawing complete.";
    const how = ended ? "finished the drawing" : "drew as long as it knows how";
    return `The model ${how}: ${rows.length} points, ${strokes} ${strokes === 1 ? "stroke" : "strokes"}. Draw on from here, or start over.`;
  }

  undo() {
    if (!this.growth) super.undo();
    else if (this.growth.rows.length) this.growth = null;
    else super.undo();
    this.app.engine.stop("reply");
    this.growth = null;
    this.ghosts = [];
    this.heat();
    this.app.say("");
  }

  clear() {
    super.clear();
    this.answer();
  }

  fields() {
    return { ...super.fields(), k: this.variation || "" };
  }

  restore(fields) {
    super.restore(fields);
    this.variation = Math.min(Math.max(Number.parseInt(fields.k ?? "0", 10) || 0, 0), 999);
    this.ghosts = [];
    this.reply();
    this.hold(!this.app.board.isEmpty);
  }

  scene() {
    const { app } = this;
    const done = this.growth ? complete(this.growth) : { strokes: [], rows: [] };
    const color = app.colors.colors[this.hue - 1];
    const own = done.strokes.map((points) => ({ points, color }));
    const cells = [toCell([...app.board.inks(app.colors), ...own], app.board.side)];
    const strokes = [...app.board.rows(), ...done.rows];
    const ended = Boolean(this.growth?.ended);
    return { columns: 1, cells, sketches: [{ strokes, label: app.label(), ended }] };
  }
}

/** Your beginning and nine continuations that grow at once; a click takes one. */
export class Endings extends Mode {
  constructor(app, section) {
    super(app, section);
    this.sheet = this.paper(this.find("canvas.paper"), () => app.board);
    const label = (k) => `Ending ${k + 1}: take it`;
    this.grid = this.cells(this.find(".grid"), 9, label, (k) => this.take(k));
    this.taken = null;
  }

  penDown() {
    this.app.engine.stop("endings");
    this.taken = null;
    this.app.wake();
  }

  answer() {
    const { app } = this;
    this.taken = null;
    this.heat();
    for (const cell of this.grid) cell.growth = null;
    app.engine.stop("endings");
    const problem = app.board.problem();
    app.say(problem, Boolean(problem));
    if (app.board.isEmpty || problem) return app.wake();
    const begun = app.board.rows();
    for (const cell of this.grid)
      cell.growth = new Growth(app.board.end(), app.facts.extent, false);
    const sketches = this.grid.map((_, copy) => ({ ...app.options(), begun, copy }));
    const growths = this.grid.map(({ growth }) => growth);
    app.engine.draw("endings", sketches, {
      row: (k, row) => {
        growths[k].rows.push(row);
        app.wake();
      },
      ended: (k, ended) => {
        growths[k].ended = ended;
        app.wake();
        if (growths.every((growth) => growth.ended !== null))
          app.say("Nine endings. Take the one you like, or draw on.");
      },
      failed: (sentence) => app.say(sentence, true),
    });
    return undefined;
  }

  heat() {
    return Together.prototype.heat.call(this);
  }

  take(k) {
    const { growth } = this.grid[k];
    if (!growth || this.taken !== null) return;
    for (const points of complete(growth).strokes) this.app.board.add(points, 1 + (k % HUES));
    this.taken = k;
    this.app.say(`Ending ${k + 1} is on your paper. Draw on, or take it back.`);
    this.app.changed();
    this.app.wake();
  }

  tick(milliseconds) {
    const { app, sheet } = this;
    let isGrowing = false;
    const begun = app.board.inks(app.colors);
    this.grid.forEach(({ growth, sheet: cell, button }, k) => {
      const grew = growth?.advance(milliseconds);
      isGrowing ||= grew || (growth && growth.ended === null);
      const color = app.colors.colors[k % HUES];
      const own = growth?.visible().map((points) => ({ points, color })) ?? [];
      cell.strokes = [...(this.taken === null ? begun : []), ...own];
      const [x, y] = growth?.pen ?? [];
      cell.pen = growth && !growth.isDone ? { x, y, color } : null;
      const isMoving = cell.stepBack(app.board.side);
      isGrowing ||= isMoving;
      cell.render();
      button.disabled = !growth;
      button.classList.toggle("is-taken", this.taken === k);
      button.classList.toggle("is-left", this.taken !== null && this.taken !== k);
    });
    sheet.strokes = begun;
    const isMoving = sheet.follow(app.board.side);
    sheet.render();
    this.section.classList.toggle("is-empty", app.board.isEmpty && !sheet.line);
    return isGrowing || isMoving;
  }

  undo() {
    super.undo();
    this.answer();
  }

  clear() {
    super.clear();
    this.answer();
  }

  restore(fields) {
    super.restore(fields);
    this.answer();
  }

  scene() {
    const { app } = this;
    const begun = app.board.inks(app.colors);
    if (app.board.isEmpty || this.taken !== null) {
      const sketch = { strokes: app.board.rows(), label: app.label(), ended: this.taken !== null };
      return { columns: 1, cells: [toCell(begun, app.board.side)], sketches: [sketch] };
    }
    const whole = this.grid.filter(({ growth }) => growth);
    return {
      columns: 3,
      cells: whole.map(({ growth }, k) => {
        const color = app.colors.colors[k % HUES];
        const own = complete(growth).strokes.map((points) => ({ points, color }));
        return toCell([...begun, ...own], app.board.side);
      }),
      sketches: whole.map(({ growth }) => ({
        strokes: [...app.board.rows(), ...growth.rows],
        label: app.label(),
        ended: Boolean(growth.ended),
      })),
    };
  }
}

/** A whole drawing of yours, and nine of the model's after it at three temperatures. */
export class Again extends Mode {
  static needsEncoder = true;

  constructor(app, section) {
    super(app, section);
    this.sheet = this.paper(this.find("canvas.paper"), () => app.board);
    const label = (k) =>
      `Drawn again, ${["carefully", "as set", "freely"][Math.floor(k / 3)]}: take it`;
    this.grid = this.cells(this.find(".grid"), 9, label, (k) =>
      app.openTogether(this.grid[k].growth),
    );
  }

  /** Half the temperature that is set, the temperature, and twice. */
  temperatures() {
    const { temperature } = this.app.options();
    return [temperature / 2, temperature, Math.min(temperature * 2, 2)];
  }

  penDown() {
    this.app.engine.stop("again");
  }

  async answer() {
    const { app } = this;
    app.engine.stop("again");
    for (const cell of this.grid) cell.growth = null;
    const problem = app.board.problem();
    app.say(problem, Boolean(problem));
    app.wake();
    if (app.board.isEmpty || problem) return;
    const rows = app.board.rows();
    const options = app.options();
    this.asked = rows;
    const z = await app.engine.ask("latent", { sketch: rows, options: { label: options.label } });
    if (this.asked !== rows) return; // the pen was faster
    const temperatures = this.temperatures();
    this.grid.forEach(({ caption }, k) => {
      caption.textContent =
        k % 3 ? "" : `temperature ${temperatures[Math.floor(k / 3)].toFixed(2)}`;
    });
    const sketches = this.grid.map((_, k) => ({
      ...options,
      z,
      seed: [[options.seed, k % 3]],
      temperature: temperatures[Math.floor(k / 3)],
    }));
    const done = () => app.say("The same drawing, nine times: carefully at the top, freely below.");
    this.fill("again", this.grid, sketches, (k) => 1 + Math.floor(k / 3), done);
  }

  tick(milliseconds) {
    const { app, sheet } = this;
    sheet.side = app.board.side;
    sheet.strokes = app.board.inks(app.colors);
    sheet.render();
    this.section.classList.toggle("is-empty", app.board.isEmpty && !sheet.line);
    return this.growCells(this.grid, milliseconds);
  }

  undo() {
    super.undo();
    this.answer();
  }

  clear() {
    super.clear();
    this.answer();
  }

  restore(fields) {
    super.restore(fields);
    this.answer();
  }

  scene() {
    return this.sceneOf(this.grid, 3);
  }
}

/** Two drawings, yours or the model's, and the way from one to the other. */
export class Between extends Mode {
  static needsEncoder = true;

  constructor(app, section) {
    super(app, section);
    this.ends = ["a", "b"].map((name, side) => {
      const root = this.find(`.end-${name}`);
      const end = { name, seed: side + 1, board: new Board(app.facts), growth: null, z: null };
      end.sheet = this.paper(root.querySelector("canvas"), () => end.board);
      end.sheet.on.begin = () => this.beginEnd(end);
      end.sheet.on.stroke = (points) => this.drawEnd(end, points);
      root.querySelector("button").addEventListener("click", () => this.lend(end));
      return end;
    });
    this.middle = { sheet: new Sheet(this.find(".middle canvas")), growth: null };
    this.sheets.push(this.middle.sheet);
    this.slider = this.find(".way");
    this.slider.addEventListener("input", () => this.move());
    const label = (k) => `Step ${k + 1} of 7 from the first drawing to the second`;
    this.strip = this.cells(this.find(".strip"), 7, label, (k) => {
      this.slider.value = k / 6;
      this.move();
    });
  }

  get fraction() {
    return Number(this.slider.value);
  }

  beginEnd(end) {
    if (end.seed !== null) end.board.strokes = [];
    [end.seed, end.growth] = [null, null];
    this.app.wake();
  }

  drawEnd(end, points) {
    end.board.draw(points);
    const problem = end.board.problem();
    this.app.say(problem, Boolean(problem));
    if (!problem) this.answer();
    this.app.changed();
  }

  /** Lets the model draw an end, another one each time. */
  lend(end) {
    end.seed = (end.seed ?? this.app.options().seed) + 2;
    end.board.strokes = [];
    this.answer();
    this.app.changed();
  }

  async answer() {
    const { app } = this;
    const turn = {};
    this.turn = turn;
    for (const end of this.ends) {
      const options = app.options();
      if (end.seed === null && end.board.isEmpty) end.seed = end.name === "a" ? 1 : 2;
      if (end.seed === null) {
        end.growth = null;
        end.z = await app.engine.ask("latent", {
          sketch: end.board.rows(),
          options: { label: options.label },
        });
      } else {
        const own = { ...options, seed: end.seed };
        end.z = await app.engine.ask("latent", { options: own });
        if (this.turn === turn) this.fill(`end ${end.name}`, [end], [own], () => 0);
      }
      if (this.turn !== turn) return; // something else is asked for already
    }
    const sketches = this.strip.map((_, k) => this.#step(k / 6));
    this.fill(
      "strip",
      this.strip,
      sketches,
      () => 1,
      () => app.say("Move the slider from the first drawing to the second."),
    );
    this.move();
  }

  #step(fraction) {
    const [a, b] = this.ends.map(({ z }) => z);
    return { ...this.app.options(), way: { a, b, fraction, interpolation: "spherical" } };
  }

  /** Shows the drawing at the slider's place; the one before stays until it is whole. */
  move() {
    const { app } = this;
    const percent = `${Math.round(this.fraction * 100)} %`;
    this.slider.setAttribute("aria-valuetext", `${percent} of the way`);
    this.strip.forEach(({ button }, k) => {
      button.classList.toggle("is-here", Math.abs(k / 6 - this.fraction) < 1 / 12);
    });
    app.changed();
    if (!this.ends.every(({ z }) => z)) return;
    const coming = new Growth([0, 0], app.facts.extent, false);
    app.engine.draw("middle", [this.#step(this.fraction)], {
      row: (_, row) => coming.rows.push(row),
      ended: (_, ended) => {
        coming.ended = ended;
        coming.advance(Number.POSITIVE_INFINITY);
        [this.middle.growth, this.middle.hue] = [coming, 1];
        app.wake();
      },
      failed: (sentence) => app.say(sentence, true),
    });
  }

  tick(milliseconds) {
    const { app } = this;
    const lent = this.ends.filter(({ seed }) => seed !== null);
    const isGrowing = this.growCells([...lent, this.middle, ...this.strip], milliseconds);
    for (const { sheet, board, seed } of this.ends)
      if (seed === null) {
        sheet.side = board.side;
        sheet.strokes = board.inks(app.colors);
        sheet.pen = null;
        sheet.render();
      }
    return isGrowing;
  }

  undo() {
    const end = this.ends.findLast(({ seed, board }) => seed === null && !board.isEmpty);
    if (!end) return;
    end.board.undo();
    this.answer();
  }

  clear() {
    this.ends.forEach((end, side) => {
      end.board.strokes = [];
      end.seed = side + 1;
    });
    this.slider.value = 0.5;
    this.answer();
  }

  fields() {
    const { extent } = this.app.facts;
    const text = ({ seed, board }) =>
      seed === null ? packStrokes(board.strokes, extent) : `~${seed}`;
    const [a, b] = this.ends.map(text);
    return { a, b, f: this.slider.value };
  }

  restore(fields) {
    this.ends.forEach((end, side) => {
      const text = fields[end.name] ?? `~${side + 1}`;
      end.board = Object.assign(end.board, { facts: this.app.facts });
      end.board.strokes = text.startsWith("~") ? [] : unpackStrokes(text, this.app.facts.extent);
      const seed = Number.parseInt(text.slice(1), 10);
      end.seed = end.board.isEmpty ? seed | 0 || side + 1 : null;
    });
    this.slider.value = fields.f ?? 0.5;
    this.answer();
  }

  scene() {
    return this.sceneOf(this.strip, 7);
  }
}

/** A grid of new drawings, and a drawing of each class to choose from. */
export class New extends Mode {
  constructor(app, section) {
    super(app, section);
    const label = (k) => `New drawing ${k + 1}: go on with it`;
    this.grid = this.cells(this.find(".grid"), NEW, label, (k) =>
      app.openTogether(this.grid[k].growth),
    );
    const shown = app.facts.classes.slice(0, CLASSES);
    this.classes = this.cells(
      this.find(".classes"),
      shown.length,
      (k) => `Class ${shown[k]}`,
      (k) => app.choose(shown[k]),
    );
    this.classes.forEach((cell, k) => {
      [cell.name, cell.caption.textContent] = [shown[k], shown[k]];
    });
    this.find(".classes").hidden = !shown.length;
  }

  answer() {
    const { app } = this;
    const options = app.options();
    const sketches = this.grid.map((_, k) => ({ ...options, seed: [[options.seed, k]] }));
    this.fill(
      "new",
      this.grid,
      sketches,
      () => 0,
      () => {
        app.say("Click a drawing to go on with it.");
        const each = this.classes.map(({ name }) => ({ ...options, label: name }));
        this.fill("classes", this.classes, each, (k) => 1 + (k % HUES));
      },
    );
    for (const { button, name } of this.classes)
      button.setAttribute("aria-pressed", String(name === options.label));
  }

  tick(milliseconds) {
    return this.growCells([...this.grid, ...this.classes], milliseconds);
  }

  undo() {}
  clear() {}
  fields() {
    return {};
  }
  restore() {
    this.answer();
  }
  scene() {
    return this.sceneOf(this.grid, 4);
  }
}
