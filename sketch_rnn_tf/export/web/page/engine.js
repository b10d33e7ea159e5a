// The page's side of the worker.

/** The model in a worker that is made from text, so that the page needs no second file. */
export class Engine {
  constructor(source) {
    this.url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    this.worker = new Worker(this.url);
    this.waiting = new Map();
    this.last = 0;
    this.worker.onmessage = ({ data }) => this.waiting.get(data.id)?.(data);
    this.worker.onerror = (event) => {
      const error = event.message || "the browser refuses to run it";
      for (const waiting of this.waiting.values()) waiting({ error });
    };
  }

  /** Asks for one thing; resolves with its value, rejects with a sentence. */
  ask(verb, request = {}, transfer = []) {
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, ({ value, error }) => {
        this.waiting.delete(id);
        if (error === undefined) resolve(value);
        else reject(new Error(error));
      });
      this.worker.postMessage({ id, verb, ...request }, transfer);
    });
  }

  /** Draws sketches; those that the group drew before are left as they are.
   *
   * @param sketches options of `Sketcher.points`, one for each.
   * @param on {row(k, row), ended(k, ended), failed(sentence)}.
   */
  draw(group, sketches, on, inTurn = false) {
    const id = ++this.last;
    this.waiting.set(id, (data) => {
      if (data.error !== undefined) on.failed(data.error);
      else if (data.row) on.row(data.k, data.row);
      else on.ended(data.k, data.ended);
    });
    this.groups ??= new Map();
    this.waiting.delete(this.groups.get(group));
    this.groups.set(group, id);
    this.worker.postMessage({ id, verb: "draw", group, sketches, inTurn });
  }

  stop(group) {
    if (!this.groups?.has(group)) return;
    this.waiting.delete(this.groups.get(group));
    this.groups.delete(group);
    this.worker.postMessage({ id: ++this.last, verb: "stop", group });
  }
}
