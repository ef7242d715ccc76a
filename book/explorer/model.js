/** The page's side of the worker that holds the model: load it, run it, end it. */

export class Model {
  /** @type {Worker | null} */
  #worker = null;
  /** @type {Map<number, {resolve: (answer: any) => void, reject: (why: any) => void}>} */
  #waiting = new Map();
  #count = 0;
  ready = false;

  /**
   * Fetch the model and make it ready; rejects with {why, detail}, see model-worker.js.
   * @param {string} address @param {(loaded: number) => void} onProgress @returns {Promise<void>}
   */
  load(address, onProgress) {
    return new Promise((resolve, reject) => {
      const fail = (/** @type {any} */ why) => {
        this.end(why);
        reject(why);
      };
      this.#worker = new Worker(new URL("./model-worker.js", import.meta.url), { type: "module" });
      this.#worker.onerror = (event) => fail({ why: "old", detail: event.message });
      this.#worker.onmessage = ({ data }) => {
        if (data.kind === "progress") onProgress(data.loaded);
        if (data.kind === "failed") fail(data);
        if (data.kind === "results") this.#waiting.get(data.id)?.resolve(data);
        if (data.kind === "ready") {
          this.ready = true;
          resolve();
        }
      };
      this.#worker.postMessage({ kind: "load", model: new URL(address, import.meta.url).href });
    });
  }

  /**
   * Run rows through the model; see run() in model-worker.js.
   * @param {{features: number, plain: import("./numbers.js").Inputs[], changed: import("./numbers.js").Inputs[] | null}} asked
   * @returns {Promise<{results: import("./numbers.js").Results, milliseconds: number}>}
   */
  run(asked) {
    const id = ++this.#count;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker?.postMessage({ kind: "run", id, ...asked });
    }).finally(() => this.#waiting.delete(id));
  }

  /** End the worker, and give its memory back; what was asked of it is rejected with `why`. */
  end(why = { why: "ended", detail: "" }) {
    this.#worker?.terminate();
    this.#worker = null;
    this.ready = false;
    for (const { reject } of this.#waiting.values()) reject(why);
  }
}
