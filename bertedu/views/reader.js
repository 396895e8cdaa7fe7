// Readers: what the explorer asks, over a kernel or in a saved page. `types.js` declares what a reader is.

import { unpack } from "./numbers.js";

/** @typedef {ReadingMessage & {number: number, projection: Projection}} NumberedMessage as the kernel sends it */

/**
 * A text whose arrays are at a source under its number.
 * @param {Source} source
 * @param {NumberedMessage} message
 * @param {number} heads
 * @param {(place: number) => Promise<Projection>} fetchProjection
 * @param {() => Promise<Similarity | null>} similarity
 * @returns {ReadText}
 */
function readText(source, message, heads, fetchProjection, similarity) {
  const { number, projection: known, tokens } = message;
  return {
    message,
    attention: {
      layer: async (layer) => unpack(await source.part(`${number}/layer/${layer}`), heads * tokens.length, tokens.length),
      exact: (question) => source.exact({ reading: number, ...question }),
    },
    projection: (place) => (place === known.place ? Promise.resolve(known) : fetchProjection(place)),
    similarity,
  };
}

/** A model in a kernel, which is asked through a channel. @implements {Reader} */
class KernelReader {
  /** @param {Channel} channel @param {ExplorerState & {reading: NumberedMessage}} state */
  constructor(channel, state) {
    this.channel = channel;
    this.description = state.description;
    this.first = this.readText(state.reading);
    this.layer = state.layer; // comes with the next text, since it is in sight
    this.place = state.place;
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
      (place) => this.channel.ask({ ask: "projection", reading: number, place }),
      () => this.channel.ask({ ask: "similarity", reading: number }).then(({ similarity }) => similarity),
    ); // prettier-ignore
  }

  /** @param {string} text @param {string} pair @param {Edits} edits */
  async read(text, pair, edits) {
    const { layer, place } = this;
    const { reading, bytes } = await this.channel.ask({ ask: "read", text, pair, edits, layer, place });
    this.channel.keep(`${reading.number}/layer/${layer}`, bytes);
    const read = this.readText(reading);
    this.numbers.set(read, reading.number);
    return read;
  }

  /** @param {ReadText} read @param {number} token @returns {Promise<Prediction>} */
  fillMask(read, token) {
    return this.channel.ask({ ask: "fill_mask", reading: this.numbers.get(read), token });
  }

  /** Tells the kernel what is shown, for `save`. @param {PageChoice} choice */
  remember(choice) {
    this.layer = choice.layer;
    this.place = choice.place;
    this.channel.ask({ ask: "choose", ...choice }).catch(() => {});
  }
}

/** @typedef {{projections: Projection[], predictions: Record<string, Prediction>, similarity: Similarity | null}} SavedFields */

/** A saved page: its one text, and what was computed of it when it was saved. @implements {Reader} */
class SavedReader {
  /** @param {Source} source @param {ExplorerState & SavedFields & {reading: NumberedMessage}} state */
  constructor(source, state) {
    const { description, projections, similarity } = state;
    this.description = description;
    this.predictions = state.predictions;
    this.first = readText(
      source, state.reading, description.num_heads,
      (place) => Promise.resolve(projections[place]), () => Promise.resolve(similarity),
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
    return Promise.reject(new Error("This saved page holds no predictions for so late a token."));
  }
}

export { KernelReader, SavedReader };
