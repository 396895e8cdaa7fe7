// What the head view draws: the choices of the reader, and the lines that follow from them.

const MAX_LINES = 2500; // more than that is grey fog, and slow to draw

/** @type {Record<Direction, [number, number] | null>} */
const DIRECTIONS = { all: null, AA: [0, 0], AB: [0, 1], BA: [1, 0], BB: [1, 1] };

/** What is shown: layer, heads, filters and focus. */
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
    this.least = 0;
    /** @type {Focus | null} */
    this.focus = null;
  }

  /** The same choices for another text of the same model; a direction needs two texts. @param {HeadSetup} setup */
  of(setup) {
    const next = new Choice(setup);
    const { heads, least, average, hide } = this;
    const direction = setup.segments.includes(0) && setup.segments.includes(1) ? this.direction : "all";
    return Object.assign(next, { heads, least, average, hide, direction, rescale: this.rescale && hide && !setup.signed });
  }

  /** Indices of the tokens that are shown, in order. */
  shown() {
    const all = this.setup.tokens.map((_, index) => index);
    const kept = this.hide ? all.filter((index) => !this.setup.special[index]) : all;
    return kept.length ? kept : all;
  }

  /** @param {number} query @param {number} key */
  allows(query, key) {
    const direction = DIRECTIONS[this.direction];
    const { segments } = this.setup;
    return !direction || (segments[query] === direction[0] && segments[key] === direction[1]);
  }

  chosenHeads() {
    return [...this.heads].sort((a, b) => a - b);
  }
}

/** @param {ArrayLike<number>} values */
function mean(values) {
  return Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
}

/** One number for each pair of tokens and each series: a head, or the average of the chosen ones. */
class Weights {
  /** @param {Float32Array} layer [N, T, T] @param {Choice} choice */
  constructor(layer, choice) {
    this.size = choice.setup.tokens.length;
    this.shown = choice.shown();
    this.layer = layer;
    this.factors = choice.rescale && choice.hide ? this.rescaled() : null;
    this.heads = choice.chosenHeads();
    /** @type {(number | null)[]} */
    this.series = choice.average && this.heads.length ? [null] : this.heads;
    this.values = this.series.map((head) => (head === null ? this.averaged() : this.ofHead(head)));
  }

  /** What each row must be multiplied with so that its shown weights sum to 1. */
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
   * One token's weights in every series, from the exact numbers [N, T] where they are there.
   * @param {Focus} focus
   * @param {Float32Array | null} exact
   * @param {Choice} choice
   * @returns {Partner[]}
   */
  line(focus, exact, choice) {
    const rows = exact ? this.exactLine(focus, exact) : this.values.map((values) => this.cut(values, focus));
    return this.shown.map((other) => {
      const [query, key] = focus.side === "query" ? [focus.index, other] : [other, focus.index];
      const weights = choice.allows(query, key) ? rows.map((row) => row[other]) : null;
      return { index: other, weights, mean: weights?.length ? mean(weights) : null };
    });
  }

  /** @param {Float32Array} values @param {Focus} focus */
  cut(values, { side, index }) {
    const { size } = this;
    if (side === "query") return values.subarray(index * size, (index + 1) * size);
    return Float32Array.from({ length: size }, (_, query) => values[query * size + index]);
  }

  /** @param {Focus} focus @param {Float32Array} exact */
  exactLine({ side, index }, exact) {
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

// Millions of weights are gone through at each change. So the two loops below are plain, and compare bits: those of a
// float32 without its sign grow as the number does, and their upper half is a ready-made bin of a histogram.
const UNSIGNED = 0x7fffffff;

/** @param {number} number */
function bitsOf(number) {
  return new Uint32Array(Float32Array.of(number).buffer)[0];
}

/** @param {Float32Array} values */
function bitsIn(values) {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

/** Places [query * T + key] of the pairs that may be shown; null for all. @param {Weights} weights @param {Choice} choice */
function placesOf({ shown, size }, choice) {
  if (choice.direction === "all" && shown.length === size) return null;
  const places = shown.flatMap((query) => shown.filter((key) => choice.allows(query, key)).map((key) => query * size + key));
  return Uint32Array.from(places);
}

/**
 * Counts the weights that are at least `least`, in bins by the upper half of their bits.
 * @param {Uint32Array} bits
 * @param {Uint32Array | null} places
 * @param {number} least
 * @param {Uint32Array} bins
 */
function histogram(bits, places, least, bins) {
  const count = places ? places.length : bits.length;
  for (let i = 0; i < count; i += 1) {
    const one = bits[places ? places[i] : i] & UNSIGNED;
    if (one >= least) bins[one >>> 16] += 1;
  }
}

/**
 * The places of weights that are at least `least`, no more than `most`.
 * @param {Uint32Array} bits
 * @param {Uint32Array | null} places
 * @param {number} least
 * @param {number} most
 */
function placesFrom(bits, places, least, most) {
  const result = [];
  const count = places ? places.length : bits.length;
  for (let i = 0; i < count && result.length < most; i += 1) {
    const place = places ? places[i] : i;
    if ((bits[place] & UNSIGNED) >= least) result.push(place);
  }
  return result;
}

/** The lines to draw, weakest first: those from `choice.least` on, and of these the strongest. @param {Weights} weights @param {Choice} choice */
function linesOf(weights, choice) {
  const bins = new Uint32Array(1 << 15);
  const places = placesOf(weights, choice);
  const asked = Math.max(1, bitsOf(choice.least));
  weights.values.forEach((values) => histogram(bitsIn(values), places, asked, bins));
  let [cut, kept] = [bins.length - 1, 0];
  while (cut >= 0 && kept + bins[cut] <= MAX_LINES) kept += bins[cut--];
  const least = Math.max(asked, kept ? (cut + 1) * 65536 : cut * 65536); // all alike: some of them, rather than none
  const each = kept ? Infinity : Math.ceil(MAX_LINES / weights.values.length);
  /** @type {Line[]} */
  const lines = weights.values.flatMap((values, series) =>
    placesFrom(bitsIn(values), places, least, each).map((place) => {
      const [query, key] = [Math.floor(place / weights.size), place % weights.size];
      return { strength: Math.abs(values[place]), series, query, key, value: values[place] };
    }),
  );
  lines.sort((a, b) => a.strength - b.strength);
  const possible = bins.reduce((sum, count) => sum + count, 0);
  return { lines, largest: lines.at(-1)?.strength ?? 0, possible };
}

export { Choice, Weights, linesOf };
