// Readers: the explorer's interface to a model, in a kernel or in a saved page. `types.js` declares the interface.

import { unpack } from "./numbers.js";

/** @typedef {ReadingMessage & {number: number, projection: Projection}} NumberedMessage the kernel's message about a text */

/**
 * Creates a `ReadText` whose arrays come from a source under the text's number.
 * @param {Source} source
 * @param {NumberedMessage} message
 * @param {number} heads
 * @param {(hidden_state: number) => Promise<Projection>} fetchProjection
 * @param {() => Promise<Similarity | null>} similarity
 * @returns {ReadText}
 */
function readText(source, message, heads, fetchProjection, similarity) {
  const { number, projection: first, tokens, edits } = message;
  /** @type {(original: boolean) => Attention} */
  const attention = (original) => {
    const folder = original ? `${number}/original` : number;
    return {
      layer: async (layer) => unpack(await source.part(`${folder}/layer/${layer}`), heads * tokens.length, tokens.length),
      exact: (question) => source.exact({ reading: number, original, ...question }),
    };
  };
  return {
    message,
    attention: attention(false),
    original: Object.values(edits).some((one) => one.length) ? attention(true) : null,
    projection: (index) => (index === first.hidden_state ? Promise.resolve(first) : fetchProjection(index)),
    similarity,
  };
}

/** A model in a kernel, connected by a channel. @implements {Reader} */
class KernelReader {
  /** @param {Channel} channel @param {ExplorerState & {reading: NumberedMessage}} state */
  constructor(channel, state) {
    this.channel = channel;
    this.description = state.description;
    this.first = this.readText(state.reading);
    this.layer = state.layer; // visible, so its weights come with the next text
    this.hidden_state = state.hidden_state;
    /** @type {Map<ReadText, number>} */
    this.numbers = new Map([[this.first, state.reading.number]]);
  }

  describe() {
    return Promise.resolve(this.description);
  }

  /** @param {NumberedMessage} message */
  readText(message) {
    const { number } = message;
    return readText(
      this.channel, message, this.description.num_heads,
      (hidden_state) => this.channel.ask({ ask: "projection", reading: number, hidden_state }),
      () => this.channel.ask({ ask: "similarity", reading: number }).then(({ similarity }) => similarity),
    ); // prettier-ignore
  }

  /** @param {string} text @param {string} pair @param {Edits} edits */
  async read(text, pair, edits) {
    const { layer, hidden_state } = this;
    const { reading, bytes } = await this.channel.ask({ ask: "read", text, pair, edits, layer, hidden_state });
    this.channel.store(`${reading.number}/layer/${layer}`, bytes);
    const read = this.readText(reading);
    this.numbers.set(read, reading.number);
    return read;
  }

  /** @param {ReadText} read @param {number} token @returns {Promise<Prediction>} */
  fillMask(read, token) {
    return this.channel.ask({ ask: "fill_mask", reading: this.numbers.get(read), token });
  }

  /** Stores in the kernel what is shown, for `save`. @param {PageChoice} choice */
  remember(choice) {
    this.layer = choice.layer;
    this.hidden_state = choice.hidden_state;
    this.channel.ask({ ask: "choose", ...choice }).catch(() => {});
  }
}

/** @typedef {{projections: Projection[], predictions: Record<string, Prediction>, similarity: Similarity | null}} SavedFields */

/** A saved page: one text, and the results computed when it was saved. @implements {Reader} */
class SavedReader {
  /** @param {Source} source @param {ExplorerState & SavedFields & {reading: NumberedMessage}} state */
  constructor(source, state) {
    const { description, projections, similarity } = state;
    this.description = description;
    this.predictions = state.predictions;
    this.first = readText(
      source, state.reading, description.num_heads,
      (index) => Promise.resolve(projections[index]), () => Promise.resolve(similarity),
    ); // prettier-ignore
  }

  describe() {
    return Promise.resolve(this.description);
  }

  read() {
    return Promise.resolve(this.first);
  }

  /** @param {ReadText} read @param {number} token */
  fillMask(read, token) {
    const prediction = this.predictions[token];
    if (prediction) return Promise.resolve(prediction);
    return Promise.reject(new Error("This saved page has predictions for its first tokens only."));
  }
}

export { KernelReader, SavedReader };
