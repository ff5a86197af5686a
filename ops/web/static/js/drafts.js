// The text of one note field that is used for many frames: each keeps its own.

/** Keeps the text that was typed for each key, and shows that of the current one in `field`. */
export class Drafts {
  constructor(field) {
    this.field = field;
    this.texts = new Map();
    this.key = null;
  }

  /** Show the text of this key; what was typed so far stays with the key before. */
  show(key) {
    if (this.key === key) return;
    this.#keep();
    this.key = key;
    this.field.value = this.texts.get(key) ?? "";
  }

  /** The text of a key. */
  of(key) {
    this.#keep();
    return (this.texts.get(key) ?? "").trim();
  }

  /** Forget the text of a key, because it has been stored. */
  forget(key) {
    this.texts.delete(key);
    if (this.key === key) this.field.value = "";
  }

  #keep() {
    if (this.key !== null) this.texts.set(this.key, this.field.value);
  }
}
