// The page: one model, one board, five modes, and the settings that they share.

import { readAddress, writeAddress } from "./address.js";
import { Board } from "./board.js";
import { Engine } from "./engine.js";
import { pageColors } from "./ink.js";
import { Again, Between, Endings, New, Together } from "./modes.js";
import { download, toGif, toPng, toSvg } from "./saving.js";

const MODES = { together: Together, endings: Endings, again: Again, between: Between, new: New };
const HINTS = {
  together: "Draw, and lift your pen: the model goes on. When it has ended, it begins anew.",
  endings: "Draw a beginning. Nine endings grow at once; take the one you like.",
  again: "Draw a whole thing. The model looks at it, and draws it again.",
  between: "Two drawings and the way between them. Draw on either side, or let the model.",
  new: "New drawings by the model alone.",
};
const TYPES = {
  svg: "image/svg+xml",
  png: "image/png",
  gif: "image/gif",
  json: "application/json",
};

const byId = (id) => document.getElementById(id);

/** What the modes see of the page. */
class App {
  constructor() {
    this.engine = new Engine(byId("worker").textContent);
    this.colors = pageColors();
    this.showsHeat = false;
    this.motion = matchMedia("(prefers-reduced-motion: reduce)");
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.colors = pageColors();
      this.wake();
    });
    addEventListener("resize", () => this.wake());
    this.#bind();
  }

  /** Whether nothing moves by itself: by the system's setting, or out of sight. */
  get isStill() {
    return this.motion.matches || document.hidden;
  }

  /** Takes a model's bytes, or the text of base64; the one before stays where they are refused. */
  async open(model) {
    try {
      const { facts, bytes } = await this.engine.ask("load", model);
      [this.facts, this.bytes] = [facts, bytes];
    } catch (error) {
      this.say(`${error.message[0].toUpperCase()}${error.message.slice(1)}.`, true);
      return;
    }
    this.say("");
    this.board = new Board(this.facts);
    this.#showFacts();
    this.modes = Object.fromEntries(
      Object.entries(MODES).map(([name, Kind]) => [
        name,
        this.#usable(Kind) && this.#make(name, Kind),
      ]),
    );
    this.restore(readAddress());
    document.documentElement.dataset.model = this.facts.name; // for those who wait for it
  }

  #usable(Kind) {
    return this.facts.conditional || !Kind.needsEncoder;
  }

  /** Makes a mode in a fresh copy of its section, free of an earlier model's listeners. */
  #make(name, Kind) {
    const section = byId(name);
    this.originals ??= {};
    this.originals[name] ??= section.cloneNode(true);
    const fresh = this.originals[name].cloneNode(true);
    section.replaceWith(fresh);
    return new Kind(this, fresh);
  }

  #showFacts() {
    const { facts } = this;
    byId("name").textContent = facts.name;
    const cell = facts.decoder.cell.replace("_", " ");
    const count = facts.num_parameters.toLocaleString("en");
    byId("facts").textContent =
      `${count} parameters, ${cell} of ${facts.decoder.units} units, ${facts.weights} weights. Everything is computed on this device.`;
    byId("class-field").hidden = !facts.classes.length;
    byId("class").replaceChildren(...facts.classes.map((name) => new Option(name, name)));
    for (const [name, Kind] of Object.entries(MODES)) {
      const tab = byId(`tab-${name}`);
      tab.disabled = !this.#usable(Kind);
      tab.title = tab.disabled
        ? "This model is a decoder alone: it cannot read a whole drawing."
        : "";
    }
  }

  label() {
    return this.facts.classes.length ? byId("class").value : null;
  }

  /** What every drawing is drawn with. */
  options() {
    const seed = Number(byId("seed").value);
    return {
      seed: Number.isInteger(seed) && seed === (seed | 0) ? seed : 0,
      temperature: Number(byId("temperature").value),
      label: this.label(),
    };
  }

  /** Says how things stand, or what is wrong. */
  say(sentence, isProblem = false) {
    byId("status").textContent = isProblem ? "" : sentence || (HINTS[this.mode] ?? "");
    byId("problem").textContent = isProblem ? sentence : "";
    byId("problem").hidden = !isProblem;
  }

  /** Puts the state into the address. */
  changed() {
    const { seed, temperature, label } = this.options();
    const fields = { m: this.mode, c: label ?? "", t: temperature, s: seed };
    writeAddress({ ...fields, ...this.modes[this.mode].fields() });
  }

  /** Shows what an address says. */
  restore(fields) {
    if (this.facts.classes.includes(fields.c)) byId("class").value = fields.c;
    if (Number(fields.t) > 0) byId("temperature").value = fields.t;
    if (/^-?\d{1,10}$/.test(fields.s ?? "")) byId("seed").value = fields.s;
    this.#showTemperature();
    const wanted =
      Object.hasOwn(MODES, fields.m ?? "") && this.modes[fields.m] ? fields.m : "together";
    this.show(wanted, fields);
  }

  /** Goes to a mode; its drawings are those of the fields, or of the board. */
  show(name, fields = null) {
    for (const group of ["reply", "endings", "again", "new", "classes", "strip", "middle"])
      this.engine.stop(group);
    this.mode = name;
    for (const other of Object.keys(MODES)) {
      byId(other).hidden = other !== name;
      const tab = byId(`tab-${other}`);
      tab.setAttribute("aria-selected", String(other === name));
      tab.tabIndex = other === name ? 0 : -1;
    }
    byId("heat").hidden = !["together", "endings"].includes(name);
    byId("undo").parentElement.hidden = name === "new";
    this.say("");
    if (fields) this.modes[name].restore(fields);
    else this.modes[name].answer();
    this.changed();
    this.wake();
  }

  /** Puts a drawing of the model on the paper of Together, to go on with. */
  openTogether(growth) {
    if (!growth) return;
    this.board.strokes = [];
    const { side } = this.board;
    const points = growth.strokes.flat();
    const middle = [0, 1].map((axis) => {
      const values = points.map((point) => point[axis]);
      return side / 2 - (Math.min(...values) + Math.max(...values)) / 2;
    });
    for (const stroke of growth.strokes)
      this.board.add(
        stroke.map((point) => point.map((value, i) => value + middle[i])),
        1,
      );
    this.show("together");
  }

  choose(label) {
    byId("class").value = label;
    this.modes[this.mode].answer();
    this.changed();
  }

  /** Lets things move until they stand still. */
  wake() {
    if (this.isAwake || !this.modes) return;
    this.isAwake = true;
    let last = performance.now();
    const turn = (now) => {
      const spent = this.motion.matches ? Number.POSITIVE_INFINITY : Math.min(now - last, 100);
      last = now;
      this.isAwake = Boolean(this.modes[this.mode].tick(spent));
      if (this.isAwake) requestAnimationFrame(turn);
    };
    requestAnimationFrame(turn);
  }

  #showTemperature() {
    byId("temperature-value").textContent = Number(byId("temperature").value).toFixed(2);
  }

  #bind() {
    const settle = () => {
      this.#showTemperature();
      this.modes?.[this.mode].answer();
      if (this.modes) this.changed();
    };
    for (const id of ["class", "temperature", "seed"]) byId(id).addEventListener("change", settle);
    byId("temperature").addEventListener("input", () => this.#showTemperature());
    byId("dice").addEventListener("click", () => this.#dice());
    byId("undo").addEventListener("click", () => this.#undo());
    byId("clear").addEventListener("click", () => this.#clear());
    byId("heat").addEventListener("click", () => this.#toggleHeat());
    byId("link").addEventListener("click", () => this.#copyLink());
    for (const button of document.querySelectorAll(".save"))
      button.addEventListener("click", () => this.#save(button.value));
    byId("open").addEventListener("click", () => byId("file").click());
    byId("file").addEventListener("change", ({ target }) => this.#openFile(target.files[0]));
    for (const name of Object.keys(MODES))
      byId(`tab-${name}`).addEventListener("click", () => this.show(name));
    document.querySelector(".tabs").addEventListener("keydown", (event) => this.#walkTabs(event));
    addEventListener("keydown", (event) => this.#key(event));
    addEventListener("hashchange", () => this.modes && this.restore(readAddress()));
    document.addEventListener("visibilitychange", () => this.wake());
    this.#bindDropping();
  }

  #bindDropping() {
    addEventListener("dragover", (event) => {
      event.preventDefault();
      byId("drop").hidden = false;
    });
    addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) byId("drop").hidden = true;
    });
    addEventListener("drop", (event) => {
      event.preventDefault();
      byId("drop").hidden = true;
      this.#openFile(event.dataTransfer.files[0]);
    });
  }

  /** Opens a model.bin, or the model in an exported page. */
  async #openFile(file) {
    if (!file) return;
    byId("file").value = "";
    const bytes = new Uint8Array(await file.arrayBuffer());
    const isPage = bytes[0] === "<".charCodeAt(0);
    const inPage = isPage && new TextDecoder().decode(bytes).match(/id="model"[^>]*>([^<]*)</);
    await this.open(inPage ? { base64: inPage[1].trim() } : { bytes });
  }

  #walkTabs(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const names = Object.keys(MODES).filter((name) => this.modes?.[name]);
    const next = names[(names.indexOf(this.mode) + step + names.length) % names.length];
    this.show(next);
    byId(`tab-${next}`).focus();
    event.stopPropagation();
  }

  #key(event) {
    const isField = event.target.closest?.("input, select, textarea");
    if (isField || event.altKey || !this.modes) return;
    const key = event.key.toLowerCase();
    if (key === "z" && (event.ctrlKey || event.metaKey || !event.shiftKey)) this.#undo();
    else if (event.ctrlKey || event.metaKey) return;
    else if (key === "delete" || key === "backspace") this.#clear();
    else if (key === "h" && !byId("heat").hidden) this.#toggleHeat();
    else if (key === "s") this.#dice();
    else if (key >= "1" && key <= "5" && this.modes[Object.keys(MODES)[key - 1]])
      this.show(Object.keys(MODES)[key - 1]);
    else return;
    event.preventDefault();
  }

  #dice() {
    byId("seed").value = Math.floor(Math.random() * 10_000);
    this.modes[this.mode].answer();
    this.changed();
  }

  #undo() {
    this.modes[this.mode].undo();
    this.changed();
    this.wake();
  }

  #clear() {
    this.modes[this.mode].clear();
    this.say("");
    this.changed();
    this.wake();
  }

  #toggleHeat() {
    this.showsHeat = !this.showsHeat;
    byId("heat").setAttribute("aria-pressed", String(this.showsHeat));
    this.modes[this.mode].heat?.();
    this.wake();
  }

  async #copyLink() {
    this.changed();
    try {
      await navigator.clipboard.writeText(location.href);
      this.say("The link is copied. It shows this drawing wherever this page is.");
    } catch {
      this.say("The browser does not let the page copy: the link is in the address bar.");
    }
  }

  async #save(kind) {
    const scene = this.modes[this.mode].scene();
    const { cells, sketches } = scene;
    if (!cells.some(({ strokes }) => strokes.length))
      return this.say("There is nothing to save yet.");
    const { sheet } = this.colors;
    if (kind === "gif") this.say("Making the GIF …");
    const make = {
      svg: () => toSvg(scene, sheet),
      png: () => toPng(scene, sheet),
      gif: () => toGif(scene, sheet, this.engine),
      json: () => `${JSON.stringify({ sketches })}\n`,
    };
    download(await make[kind](), `sketch.${kind}`, TYPES[kind]);
    if (kind === "gif") this.say("The GIF is saved.");
    return undefined;
  }
}

if (!window.lacks) new App().open({ base64: byId("model").textContent.trim() });
