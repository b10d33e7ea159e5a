// A page to collect drawings: asks for one class after the other, keeps what is drawn in the
// browser, and gives it as ndjson in the form of Quick, Draw!'s raw files.

import { pageColors } from "../page/ink.js";
import { Paper } from "../page/paper.js";
import { download } from "../page/saving.js";

const SIDE = 1000; // units of the paper
const classes = JSON.parse(document.getElementById("classes").textContent);
const STORE = `sketch-rnn-collect ${JSON.stringify(classes)}`;

const byId = (id) => document.getElementById(id);

/** Drawings {word, key_id, timestamp, recognized, drawing} in the browser's storage. */
class Store {
  constructor(failed) {
    this.failed = failed;
    this.drawings = [];
    try {
      const kept = JSON.parse(localStorage.getItem(STORE) ?? "[]");
      if (Array.isArray(kept)) this.drawings = kept.filter(({ word }) => classes.includes(word));
    } catch {
      failed(
        "What this browser has kept cannot be read. Drawings made now are kept until the page is closed: download them before.",
      );
    }
  }

  /** Keeps the drawings as they are now. */
  keep() {
    try {
      localStorage.setItem(STORE, JSON.stringify(this.drawings));
    } catch {
      this.failed("The browser keeps no more: download the drawings, and delete them here.");
    }
  }

  count(word) {
    return this.drawings.filter((drawing) => drawing.word === word).length;
  }

  toNdjson() {
    return this.drawings.map((drawing) => `${JSON.stringify(drawing)}\n`).join("");
  }
}

/** Asks, and takes what is drawn. */
class Collector {
  constructor() {
    this.colors = pageColors();
    this.store = new Store((sentence) => this.#complain(sentence));
    this.strokes = []; // {points, times}
    this.paper = new Paper(document.querySelector(".paper"), {
      color: () => this.colors.ink,
      begin: () => {},
      stroke: (points, times) => {
        this.strokes.push({ points, times });
        this.show();
      },
    });
    this.paper.side = SIDE;
    this.word = this.#next(null);
    this.#bind();
    this.show();
  }

  /** Returns the class with the fewest drawings, another one than that which was skipped. */
  #next(skipped) {
    const begin = classes.indexOf(skipped) + 1;
    const order = [...classes.slice(begin), ...classes.slice(0, begin)];
    const others = order.filter((word) => word !== skipped || classes.length === 1);
    const least = Math.min(...others.map((word) => this.store.count(word)));
    return others.find((word) => this.store.count(word) === least);
  }

  show() {
    byId("word").textContent = this.word;
    byId("article").textContent = /^[aeiou]/i.test(this.word) ? "an" : "a";
    byId("counts").replaceChildren(...classes.map((word) => this.#row(word)));
    const total = this.store.drawings.length;
    for (const id of ["undo", "clear", "keep"]) byId(id).disabled = !this.strokes.length;
    for (const id of ["download", "takeback", "forget"]) byId(id).disabled = !total;
    byId("skip").hidden = classes.length === 1;
    byId("status").textContent = this.strokes.length
      ? "Draw on, or keep it."
      : "Draw it as you would for a friend: whole, and quickly.";
    this.paper.strokes = this.strokes.map(({ points }) => ({ points, color: this.colors.ink }));
    this.paper.render();
  }

  #row(word) {
    const row = document.createElement("tr");
    row.className = word === this.word ? "is-asked" : "";
    for (const text of [word, this.store.count(word)]) {
      const cell = document.createElement("td");
      cell.textContent = text;
      row.append(cell);
    }
    return row;
  }

  #keepDrawing() {
    if (!this.strokes.length) return;
    const start = this.strokes[0].times[0];
    const round = (value) => Math.round(value * 10) / 10;
    const drawing = this.strokes.map(({ points, times }) => [
      points.map(([x]) => round(x)),
      points.map(([, y]) => round(y)),
      times.map((time) => Math.round(time - start)),
    ]);
    const now = new Date();
    const key = `${now.getTime()}${String(Math.floor(Math.random() * 1000)).padStart(3, "0")}`;
    const own = { word: this.word, key_id: key, timestamp: now.toISOString(), recognized: true };
    this.store.drawings.push({ ...own, drawing });
    this.store.keep();
    this.#ask(null);
  }

  #ask(skipped) {
    this.word = this.#next(skipped);
    this.strokes = [];
    this.show();
  }

  #clear() {
    this.strokes = [];
    this.show();
  }

  #takeBack() {
    this.store.drawings.pop();
    this.store.keep();
    this.show();
  }

  #forget() {
    if (!confirm(`Delete all ${this.store.drawings.length} drawings in this browser?`)) return;
    this.store.drawings = [];
    this.store.keep();
    this.show();
  }

  #complain(sentence) {
    byId("problem").textContent = sentence;
    byId("problem").hidden = false;
  }

  #undo() {
    this.strokes.pop();
    this.show();
  }

  #bind() {
    const actions = {
      keep: () => this.#keepDrawing(),
      undo: () => this.#undo(),
      clear: () => this.#clear(),
      skip: () => this.#ask(this.word),
      takeback: () => this.#takeBack(),
      forget: () => this.#forget(),
      download: () => download(this.store.toNdjson(), "drawings.ndjson", "application/x-ndjson"),
    };
    for (const [id, action] of Object.entries(actions)) byId(id).addEventListener("click", action);
    addEventListener("keydown", ({ key, ctrlKey, metaKey, altKey }) => {
      if (altKey) return;
      if (key.toLowerCase() === "z") this.#undo();
      else if (key.toLowerCase() === "n" && !ctrlKey && !metaKey) this.#keepDrawing();
    });
    addEventListener("resize", () => this.paper.render());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.colors = pageColors();
      this.show();
    });
  }
}

new Collector();
