// The user's choices in the head view, and the lines that follow from them.

const MAX_LINES = 2500; // more are indistinguishable, and slow to draw

/** @type {Record<Direction, [number, number] | null>} */
const DIRECTIONS = { all: null, AA: [0, 0], AB: [0, 1], BA: [1, 0], BB: [1, 1] };

/** The user's choices: layer, heads, filters and focus. */
class Choice {
  /** @param {HeadSetup} setup */
  constructor(setup) {
    this.setup = setup;
    this.layer = setup.layer;
    this.heads = new Set(setup.chosen);
    this.average = false;
    /** @type {Direction} */
    this.direction = "all";
    this.hide = false;
    this.rescale = false;
    this.minimum = 0;
    /** @type {Focus | null} */
    this.focus = null;
  }

  /** Returns the same choices for another text of the same model; a direction needs two texts. @param {HeadSetup} setup */
  of(setup) {
    const next = new Choice(setup);
    const { heads, minimum, average, hide } = this;
    const direction = setup.segments.includes(0) && setup.segments.includes(1) ? this.direction : "all";
    return Object.assign(next, { heads, minimum, average, hide, direction, rescale: this.rescale && hide && !setup.signed });
  }

  /** Indices of the tokens that are shown, in order. */
  shown() {
    const all = this.setup.tokens.map((_, index) => index);
    const visible = this.hide ? all.filter((index) => !this.setup.special[index]) : all;
    return visible.length ? visible : all;
  }

  /** @param {number} query @param {number} key */
  allows(query, key) {
    const direction = DIRECTIONS[this.direction];
    const { segments } = this.setup;
    return !direction || (segments[query] === direction[0] && segments[key] === direction[1]);
  }

  sortedHeads() {
    return [...this.heads].sort((a, b) => a - b);
  }
}

/** @param {ArrayLike<number>} values */
function mean(values) {
  return Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
}

/** One weight for each pair of tokens and each series; a series is a head, or the average of the selected heads. */
class Weights {
  /** @param {Float32Array} layer [N, T, T] @param {Choice} choice */
  constructor(layer, choice) {
    this.size = choice.setup.tokens.length;
    this.shown = choice.shown();
    this.layer = layer;
    this.factors = choice.rescale && choice.hide ? this.rescaled() : null;
    this.heads = choice.sortedHeads();
    /** @type {(number | null)[]} */
    this.series = choice.average && this.heads.length ? [null] : this.heads;
    this.values = this.series.map((head) => (head === null ? this.averaged() : this.ofHead(head)));
  }

  /** The factor of each row with which its visible weights sum to 1. */
  rescaled() {
    const rows = this.layer.length / this.size;
    return Float32Array.from({ length: rows }, (_, row) => {
      const sum = this.shown.reduce((total, key) => total + this.layer[row * this.size + key], 0);
      return sum > 0 ? 1 / sum : 0;
    });
  }

  /** @param {number} head */
  ofHead(head) {
    const { size, factors } = this;
    const values = this.layer.subarray(head * size * size, (head + 1) * size * size);
    return factors ? values.map((value, i) => value * factors[head * size + Math.floor(i / size)]) : values;
  }

  averaged() {
    const sums = new Float32Array(this.size * this.size);
    for (const head of this.heads) {
      const values = this.ofHead(head);
      for (let i = 0; i < sums.length; i += 1) sums[i] += values[i];
    }
    return sums.map((sum) => sum / this.heads.length);
  }

  /**
   * One token's weights in every series, from the exact weights [N, T] if available.
   * @param {Focus} focus
   * @param {Float32Array | null} exact
   * @param {Choice} choice
   * @returns {Partner[]}
   */
  partners(focus, exact, choice) {
    const rows = exact ? this.exactRows(focus, exact) : this.values.map((values) => this.weightsOf(values, focus));
    return this.shown.map((other) => {
      const [query, key] = focus.side === "query" ? [focus.index, other] : [other, focus.index];
      const weights = choice.allows(query, key) ? rows.map((row) => row[other]) : null;
      return { index: other, weights, mean: weights?.length ? mean(weights) : null };
    });
  }

  /** @param {Float32Array} values @param {Focus} focus */
  weightsOf(values, { side, index }) {
    const { size } = this;
    if (side === "query") return values.subarray(index * size, (index + 1) * size);
    return Float32Array.from({ length: size }, (_, query) => values[query * size + index]);
  }

  /** @param {Focus} focus @param {Float32Array} exact */
  exactRows({ side, index }, exact) {
    const { factors, size } = this;
    const rows = this.heads.map((head) => {
      const row = exact.slice(head * size, (head + 1) * size);
      if (!factors) return row;
      return row.map((value, other) => value * factors[head * size + (side === "query" ? index : other)]);
    });
    if (this.series[0] !== null || !rows.length) return rows;
    return [rows[0].map((_, i) => mean(rows.map((row) => row[i])))];
  }
}

// Each change processes millions of weights, so the two loops below compare the bits of float32 numbers: without the sign
// bit, their order is that of the absolute values, and the upper half of the bits is the bin of a histogram.
const UNSIGNED = 0x7fffffff;

/** @param {number} number */
function bitsOf(number) {
  return new Uint32Array(Float32Array.of(number).buffer)[0];
}

/** @param {Float32Array} values */
function bitsIn(values) {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

/** Indices [query * T + key] of the pairs that the choice allows; null for all. @param {Weights} weights @param {Choice} choice */
function allowedIndices({ shown, size }, choice) {
  if (choice.direction === "all" && shown.length === size) return null;
  const indices = shown.flatMap((query) => shown.filter((key) => choice.allows(query, key)).map((key) => query * size + key));
  return Uint32Array.from(indices);
}

/**
 * Counts the weights from `minimum` on, in bins by the upper half of their bits.
 * @param {Uint32Array} bits
 * @param {Uint32Array | null} indices
 * @param {number} minimum
 * @param {Uint32Array} bins
 */
function histogram(bits, indices, minimum, bins) {
  const count = indices ? indices.length : bits.length;
  for (let i = 0; i < count; i += 1) {
    const one = bits[indices ? indices[i] : i] & UNSIGNED;
    if (one >= minimum) bins[one >>> 16] += 1;
  }
}

/**
 * The indices of up to `limit` weights from `minimum` on.
 * @param {Uint32Array} bits
 * @param {Uint32Array | null} indices
 * @param {number} minimum
 * @param {number} limit
 */
function indicesFrom(bits, indices, minimum, limit) {
  const result = [];
  const count = indices ? indices.length : bits.length;
  for (let i = 0; i < count && result.length < limit; i += 1) {
    const index = indices ? indices[i] : i;
    if ((bits[index] & UNSIGNED) >= minimum) result.push(index);
  }
  return result;
}

/** The lines to draw, weakest first: the strongest ones from `choice.minimum` on. @param {Weights} weights @param {Choice} choice */
function selectLines(weights, choice) {
  const bins = new Uint32Array(1 << 15);
  const indices = allowedIndices(weights, choice);
  const lowest = Math.max(1, bitsOf(choice.minimum));
  weights.values.forEach((values) => histogram(bitsIn(values), indices, lowest, bins));
  let [cut, total] = [bins.length - 1, 0];
  while (cut >= 0 && total + bins[cut] <= MAX_LINES) total += bins[cut--];
  const minimum = Math.max(lowest, total ? (cut + 1) * 65536 : cut * 65536); // equal weights: some of them instead of none
  const each = total ? Infinity : Math.ceil(MAX_LINES / weights.values.length);
  /** @type {Line[]} */
  const lines = weights.values.flatMap((values, series) =>
    indicesFrom(bitsIn(values), indices, minimum, each).map((index) => {
      const [query, key] = [Math.floor(index / weights.size), index % weights.size];
      return { strength: Math.abs(values[index]), series, query, key, value: values[index] };
    }),
  );
  lines.sort((a, b) => a.strength - b.strength);
  const possible = bins.reduce((sum, count) => sum + count, 0);
  return { lines, largest: lines.at(-1)?.strength ?? 0, possible };
}

export { Choice, Weights, selectLines };
