// The ghost of the head view: the weights of the unedited model, drawn in gray behind those of the edited one.

import { Choice, Weights, selectLines } from "./lines.js";

const DIFFERENCE = 0.01; // the smallest change of a weight that is drawn; rounding to 8 bits changes up to 0.002

/** The original weights for the current choice. */
class Ghost {
  /** @param {Attention} attention @param {(layer: number) => Set<number>} off the heads of a layer that are off */
  constructor(attention, off) {
    this.attention = attention;
    this.off = off;
    /** @type {Float32Array | null} */
    this.exact = null; // of the token in focus
    /** @type {Partner[]} */
    this.partners = [];
    /** @type {Weights | null} */
    this.weights = null;
    /** @type {Line[]} */
    this.all = [];
  }

  /** @param {Float32Array} layer [N, T, T] @param {Choice} choice */
  setLayer(layer, choice) {
    this.weights = new Weights(layer, choice);
  }

  /** Selects the lines that differ from the current ones. @param {Weights} current @param {Choice} choice */
  updateLines(current, choice) {
    if (!this.weights) return;
    const { size } = current;
    /** @type {(line: Line) => boolean} */
    const differs = ({ series, query, key, value }) => Math.abs(value - current.values[series][query * size + key]) > DIFFERENCE;
    this.all = selectLines(this.weights, choice).lines.filter(differs);
  }

  /** @param {Focus | null} focus @param {Choice} choice */
  focusOn(focus, choice) {
    this.partners = focus && this.weights ? this.weights.partners(focus, this.exact, choice) : [];
  }

  /** The original mean weight of a token, if it differs in three decimals. @param {Partner} partner @param {number} at */
  was({ mean }, at) {
    const original = this.partners[at]?.mean ?? null;
    return original === null || mean === null || original.toFixed(3) === mean.toFixed(3) ? null : original;
  }

  /** What the stage draws. @param {Focus | null} focus @param {Partner[]} current @param {Choice} choice @returns {GhostDrawing} */
  drawing(focus, current, { layer, minimum }) {
    const means = current.map((partner, at) => this.was(partner, at));
    if (!focus) return { lines: this.all, means, off: this.off(layer) };
    const lines = this.partners.flatMap(({ index: other, weights }, at) =>
      (weights ?? []).flatMap((value, series) => {
        const [query, key] = focus.side === "query" ? [focus.index, other] : [other, focus.index];
        const difference = value - (current[at].weights?.[series] ?? 0);
        const strength = Math.abs(value);
        return Math.abs(difference) > DIFFERENCE && strength >= minimum ? [{ strength, series, query, key, value }] : [];
      }),
    );
    return { lines, means, off: this.off(layer) };
  }
}

export { Ghost };
