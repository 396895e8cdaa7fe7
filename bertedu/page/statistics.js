// Numbers about a reading: head statistics, principal components, and the cosine similarity of two texts. They are
// those of `bertedu.analysis`, to rounding.

import { range } from "../views/numbers.js";

const SPECIAL = ["[CLS]", "[SEP]", "[PAD]"];
/** Kind of key -> label of a head that gives it more than MIN_WEIGHT. @type {Record<string, string>} */
const KEY_KINDS = {
  previous: "previous token", next: "next token", itself: "itself", same_word: "same word", cls: "[CLS] sink", sep: "[SEP] sink",
  punctuation: "punctuation",
}; // prettier-ignore
const MIN_WEIGHT = 0.5; // Clark et al. 2019, section 3.1
const MIN_ENTROPY = 0.9; // of a broad head, relative to the maximum
const KRYLOV_SIZE = 80; // of the space in which principal components are searched; 30 are enough for a short text
const TINY = 1e-12; // relative length of a vector that consists of rounding errors
const MAX_SWEEPS = 60; // of Jacobi's method, which needs about 8

/** `value`, rounded to `digits` decimals. @param {number} value @param {number} digits */
function rounded(value, digits) {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}

/**
 * Head statistics of one text: for each measure one row per layer, and a label for each head.
 * @param {Float32Array} attention [L, N, T, T]
 * @param {number} layers
 * @param {number} heads
 * @param {string[]} tokens
 * @returns {{values: Record<string, number[][]>, labels: string[][]}}
 */
function headStatistics(attention, layers, heads, tokens) {
  const size = tokens.length ** 2;
  const isWord = tokens.map((token) => !SPECIAL.includes(token));
  const queries = range(tokens.length).filter((query) => isWord[query] || !isWord.includes(true)); // all, if there are no words
  const kinds = keysOf(tokens);
  const maxEntropy = Math.max(1, Math.log2(tokens.filter((token) => token !== "[PAD]").length));
  const rows = range(layers).map((layer) =>
    range(heads).map((head) => {
      const start = (layer * heads + head) * size;
      return statisticsOf(attention.subarray(start, start + size), queries, kinds);
    }),
  );
  const names = ["entropy", "distance", ...Object.keys(KEY_KINDS)];
  const values = Object.fromEntries(names.map((name) => [name, rows.map((row) => row.map((one) => rounded(one[name], 6)))]));
  return { values, labels: rows.map((row) => row.map((one) => labelOf(one, maxEntropy))) };
}

/**
 * The keys of each kind, for each query.
 * @param {string[]} tokens
 * @returns {[string, number[][]][]}
 */
function keysOf(tokens) {
  const positions = range(tokens.length);
  const real = (/** @type {number} */ key) => tokens[key] !== undefined && tokens[key] !== "[PAD]";
  /** @type {(isKey: (token: string) => boolean) => number[]} */
  const where = (isKey) => positions.filter((key) => isKey(tokens[key]));
  const [cls, sep, punctuation] = [
    where((token) => token === "[CLS]"), where((token) => token === "[SEP]"), where((token) => /^\p{P}+$/u.test(token)),
  ]; // prettier-ignore
  /** @type {Record<string, (query: number) => number[]>} */
  const keys = {
    previous: (query) => [query - 1], next: (query) => [query + 1], itself: (query) => [query],
    same_word: (query) => where((token) => token === tokens[query]).filter((key) => key !== query),
    cls: () => cls, sep: () => sep, punctuation: () => punctuation,
  }; // prettier-ignore
  return Object.keys(KEY_KINDS).map((kind) => [kind, positions.map((query) => keys[kind](query).filter(real))]);
}

/**
 * The statistics of one head: means over the queries that have a key of that kind.
 * @param {Float32Array} weights [T, T]
 * @param {number[]} queries
 * @param {[string, number[][]][]} kinds
 */
function statisticsOf(weights, queries, kinds) {
  const length = Math.round(Math.sqrt(weights.length));
  let [entropy, distance] = [0, 0];
  for (const query of queries) {
    for (let key = 0; key < length; key += 1) {
      const weight = weights[query * length + key];
      if (weight > 0) entropy -= weight * Math.log2(weight); // in bits
      distance += weight * Math.abs(query - key);
    }
  }
  /** @type {Record<string, number>} */
  const statistics = { entropy: entropy / queries.length, distance: distance / queries.length };
  for (const [kind, keys] of kinds) {
    const rows = queries.filter((query) => keys[query].length);
    let sum = 0;
    for (const query of rows) for (const key of keys[query]) sum += weights[query * length + key];
    statistics[kind] = sum / Math.max(1, rows.length);
  }
  return statistics;
}

/** The label of a head: its main kind of key, if it has one. @param {Record<string, number>} statistics @param {number} maxEntropy */
function labelOf(statistics, maxEntropy) {
  const kinds = Object.keys(KEY_KINDS);
  const kind = kinds.reduce((best, other) => (statistics[other] > statistics[best] ? other : best));
  if (statistics[kind] > MIN_WEIGHT) return KEY_KINDS[kind];
  if (statistics.entropy / maxEntropy >= MIN_ENTROPY) return "broad";
  return statistics.distance === 0 && statistics.itself === 0 ? "pruned" : "mixed";
}

/**
 * Projects vectors to their first two principal components, the directions of the largest variance. The element of a
 * direction with the largest absolute value is positive, so that equal vectors give equal points.
 *
 *     X - mean = U S V^T,   points = (X - mean) V,   ratio = S^2 / sum S^2
 *
 * @param {Float32Array} vectors [R, D]
 * @param {number} count R
 * @param {number} size D
 * @returns {{points: [number, number][], ratio: [number, number]}}
 */
function principalComponents(vectors, count, size) {
  const centered = center(vectors, count, size);
  const total = dot(centered, centered);
  const directions = largestDirections(centered, count, size, total);
  const columns = [0, 1].map((component) => {
    const direction = directions[component] ?? new Float64Array(size);
    const largest = direction.reduce((best, value) => (Math.abs(value) > Math.abs(best) ? value : best), 0);
    return multiply(centered, direction, count, size).map((value) => value * (Math.sign(largest) || 1)); // [R]
  });
  const [x, y] = columns;
  return {
    points: range(count).map((row) => [x[row], y[row]]),
    ratio: [dot(x, x) / (total || 1), dot(y, y) / (total || 1)],
  };
}

/** Vectors minus their mean. @param {Float32Array} vectors [R, D] @param {number} count @param {number} size */
function center(vectors, count, size) {
  const centered = Float64Array.from(vectors); // [R, D]
  for (let column = 0; column < size; column += 1) {
    let mean = 0;
    for (let row = 0; row < count; row += 1) mean += centered[row * size + column] / count;
    for (let row = 0; row < count; row += 1) centered[row * size + column] -= mean;
  }
  return centered;
}

/**
 * The two largest eigenvectors of X^T X, by the method of Lanczos: in an orthonormal basis of the space of v, A v,
 * A A v, ..., the matrix A = X^T X is a small tridiagonal one, whose largest eigenvalues are those of A.
 * @param {Float64Array} rows X, [R, D]
 * @param {number} count
 * @param {number} size
 * @param {number} total the sum of all eigenvalues
 * @returns {Float64Array[]} one or two unit vectors [D]; none if all vectors are equal
 */
function largestDirections(rows, count, size, total) {
  /** @type {Float64Array[]} */
  const basis = [];
  const small = range(KRYLOV_SIZE).map(() => new Float64Array(KRYLOV_SIZE));
  const weights = Float64Array.from({ length: count }, (_, row) => Math.sin(row + 1)); // any start will do; this one is reproducible
  let next = multiplyTransposed(rows, weights, count, size); // [D]
  let length = Math.sqrt(dot(next, next));
  while (basis.length < Math.min(KRYLOV_SIZE, count, size) && length > TINY * (basis.length ? total : Math.sqrt(total))) {
    const step = basis.length;
    const vector = next.map((value) => value / length);
    if (step) small[step][step - 1] = small[step - 1][step] = length;
    basis.push(vector);
    next = multiplyTransposed(rows, multiply(rows, vector, count, size), count, size);
    small[step][step] = dot(next, vector);
    for (const one of [...basis, ...basis]) subtract(next, one, dot(next, one)); // twice, because of rounding
    length = Math.sqrt(dot(next, next));
  }
  const { values, vectors } = eigen(small.slice(0, basis.length).map((row) => row.slice(0, basis.length)));
  const order = range(basis.length).sort((a, b) => values[b] - values[a]);
  return order.slice(0, 2).map((which) => {
    const direction = new Float64Array(size);
    basis.forEach((vector, index) => subtract(direction, vector, -vectors[index][which]));
    return direction;
  });
}

/**
 * Eigenvalues and eigenvectors of a symmetric matrix by Jacobi's method: rotations make one element after another 0.
 * @param {Float64Array[]} matrix [n, n], which becomes diagonal
 * @returns {{values: number[], vectors: Float64Array[]}} the vectors are the columns
 */
function eigen(matrix) {
  const n = matrix.length;
  const vectors = range(n).map((row) => Float64Array.from({ length: n }, (_, column) => Number(row === column)));
  const limit = TINY ** 2 * matrix.reduce((sum, row) => sum + dot(row, row), 0);
  for (let sweep = 0; sweep < MAX_SWEEPS; sweep += 1) {
    let rest = 0;
    for (let p = 0; p < n; p += 1) for (let q = 0; q < p; q += 1) rest += matrix[p][q] ** 2;
    if (rest <= limit) break;
    for (let p = 0; p < n; p += 1) for (let q = 0; q < p; q += 1) if (matrix[p][q] !== 0) rotate(matrix, vectors, p, q);
  }
  return { values: matrix.map((row, index) => row[index]), vectors };
}

/** Makes the element (p, q) 0. @param {Float64Array[]} matrix @param {Float64Array[]} vectors @param {number} p @param {number} q */
function rotate(matrix, vectors, p, q) {
  const angle = 0.5 * Math.atan2(2 * matrix[p][q], matrix[p][p] - matrix[q][q]);
  const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
  const turn = (/** @type {Float64Array} */ row) => {
    const [first, second] = [row[p], row[q]];
    row[p] = cosine * first + sine * second;
    row[q] = cosine * second - sine * first;
  };
  matrix.forEach(turn);
  const [first, second] = [matrix[p], matrix[q]];
  for (let column = 0; column < matrix.length; column += 1) {
    const [above, below] = [first[column], second[column]];
    first[column] = cosine * above + sine * below;
    second[column] = cosine * below - sine * above;
  }
  vectors.forEach(turn);
}

/** The scalar product. @param {Float64Array} a @param {Float64Array} b */
function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += a[i] * b[i];
  return sum;
}

/** `target` minus `factor` times `vector`; changes `target`. @param {Float64Array} target @param {Float64Array} vector @param {number} factor */
function subtract(target, vector, factor) {
  for (let i = 0; i < target.length; i += 1) target[i] -= factor * vector[i];
}

/** X v, [R]. @param {Float64Array} rows [R, D] @param {Float64Array} vector [D] @param {number} count @param {number} size */
function multiply(rows, vector, count, size) {
  return Float64Array.from({ length: count }, (_, row) => dot(rows.subarray(row * size, (row + 1) * size), vector));
}

/** X^T w, [D]. @param {Float64Array} rows [R, D] @param {Float64Array} weights [R] @param {number} count @param {number} size */
function multiplyTransposed(rows, weights, count, size) {
  const result = new Float64Array(size);
  for (let row = 0; row < count; row += 1) subtract(result, rows.subarray(row * size, (row + 1) * size), -weights[row]);
  return result;
}

/** The mean of a text's token vectors, as `bert.embed` pools them. @param {Float32Array} vectors [T, D] @param {number} size D */
function meanVector(vectors, size) {
  const count = vectors.length / size;
  return multiplyTransposed(Float64Array.from(vectors), new Float64Array(count).fill(1 / count), count, size);
}

/** The cosine similarity of two vectors; 0 if one of them is 0. @param {Float64Array} a @param {Float64Array} b */
function cosineSimilarity(a, b) {
  const lengths = Math.sqrt(dot(a, a) * dot(b, b));
  return lengths ? Math.max(-1, Math.min(1, dot(a, b) / lengths)) : 0;
}

export { cosineSimilarity, headStatistics, meanVector, principalComponents, rounded };
