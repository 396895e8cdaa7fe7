// The explorer's `Reader` for a model in a worker of this page.

/** @typedef {{id: number, result?: any, error?: string, out_of_memory?: boolean}} Answer */

/** The connection to the worker: numbered requests, and the answer to each. */
class Connection {
  /** @param {Worker} worker */
  constructor(worker) {
    this.worker = worker;
    this.count = 0;
    this.readers = 0;
    /** @type {Map<number, {resolve: (result: any) => void, reject: (error: Error) => void}>} */
    this.waiting = new Map();
    /** @type {Error | null} */
    this.failure = null;
    worker.onmessage = ({ data }) => this.receive(data);
    worker.onerror = (event) => this.fail(new Error(event.message || "worker.js could not be loaded"));
  }

  /** @param {Answer} answer */
  receive({ id, result, error, out_of_memory }) {
    const request = this.waiting.get(id);
    this.waiting.delete(id);
    if (error === undefined) request?.resolve(result);
    else request?.reject(out_of_memory ? new RangeError(error) : new Error(error));
  }

  /** The worker has ended: rejects all requests that have no answer, and later ones. @param {Error} error */
  fail(error) {
    this.failure = error;
    this.waiting.forEach(({ reject }) => reject(error));
    this.waiting.clear();
  }

  /**
   * @param {string} ask
   * @param {number} reader
   * @param {object} question
   * @param {Transferable[]} transfer
   * @returns {Promise<any>}
   */
  ask(ask, reader, question = {}, transfer = []) {
    if (this.failure) return Promise.reject(this.failure);
    this.count += 1;
    const id = this.count;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, ask, reader, question }, transfer);
    });
  }
}

/** A model in the worker. Several readers share one; each has texts of its own. @implements {Reader} */
class PageReader {
  /** @param {Connection} connection @param {(choice: PageChoice) => void} onChoice called when layer, heads or token change */
  constructor(connection, onChoice = () => {}) {
    this.connection = connection;
    this.onChoice = onChoice;
    connection.readers += 1;
    this.number = connection.readers;
    /** @type {WeakMap<ReadText, number>} */
    this.numbers = new WeakMap(); // of the texts in the worker
  }

  /** @param {string} ask @param {object} [question] */
  ask(ask, question) {
    return this.connection.ask(ask, this.number, question);
  }

  /** @returns {Promise<Description>} */
  describe() {
    return this.ask("describe");
  }

  /** @param {string} text @param {string} pair @param {Edits} edits @returns {Promise<ReadText>} */
  async read(text, pair, edits) {
    /** @type {ReadingMessage & {number: number}} */
    const { number, ...message } = await this.ask("read", { text, pair, edits });
    /** @type {(original: boolean) => Attention} */
    const attention = (original) => ({
      layer: (layer) => this.ask("layer", { number, original, layer }),
      exact: (question) => this.ask("exact", { number, original, ...question }),
    });
    /** @type {ReadText} */
    const readText = {
      message,
      attention: attention(false),
      original: Object.values(edits).some((indices) => indices.length) ? attention(true) : null,
      projection: (hidden_state) => this.ask("projection", { number, hidden_state }),
      similarity: () => this.ask("similarity", { number }),
    };
    this.numbers.set(readText, number);
    return readText;
  }

  /** @param {ReadText} readText @param {number} token @returns {Promise<Prediction>} */
  fillMask(readText, token) {
    return this.ask("fill_mask", { number: this.numbers.get(readText), token });
  }

  /** @param {PageChoice} choice */
  remember(choice) {
    this.onChoice(choice);
  }

  /** Drops the texts of this reader. */
  close() {
    return this.ask("close");
  }
}

export { Connection, PageReader };
