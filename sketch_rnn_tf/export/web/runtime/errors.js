/** A mistake of the user: its message is one sentence that can be shown as it is. */
export class SketchError extends Error {
  constructor(message) {
    super(message);
    this.name = "SketchError";
  }
}
