// The tokenizer: text -> tokens with their ids and offsets, equal to `BertTokenizer` and `BertPreprocessor` of the Python package.
//
//     "The unwanted cat"  ->  [CLS]  the  un  ##want  ##ed  cat  [SEP]
//
// A text is an array of characters (code points) with the span of each in the original text, so that offsets survive each step.

import { REMOVED, PUNCTUATION, ACCENTS, DECOMPOSED } from "./unicode.js";

/** @typedef {{value: string, start: number, end: number}} Character `start` and `end` in code points of the original text */
/** @typedef {{token: string, start: number, end: number}} Piece */

/**
 * A tokenized text or pair with [CLS] and [SEP], one entry per token.
 * @typedef {object} Encoded
 * @property {string[]} tokens
 * @property {number[]} ids
 * @property {number[]} type_ids 0 for the first text, 1 for the second, [SEP] included
 * @property {([number, number] | null)[]} offsets in code points of the token's own text; null for [CLS] and [SEP]
 * @property {number[]} segments 0 or 1, -1 for [CLS] and [SEP]
 * @property {boolean} truncated
 * @property {number} removed number of tokens that were cut off
 */

const SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const MAX_WORD = 100; // characters; a longer word is [UNK]
const CJK = "3400-4dbf 4e00-9fff f900-faff 20000-2a6df 2a700-2b81f 2b920-2ceaf 2f800-2fa1f";
const SPACE = /^\p{White_Space}$/u;

/** BERT's WordPiece tokenizer. */
class WordPiece {
  /**
   * @param {string[]} vocabulary tokens in the order of their ids; of a repeated token, the last id counts
   * @param {object} options
   * @param {boolean} [options.lowercase] true for "uncased" models, which also removes accents
   * @param {number} [options.max_length] maximum number of tokens, [CLS] and [SEP] included
   * @param {string} [options.truncation] of pairs: "longest_first" or "round_robin", as in `BertPreprocessor`
   */
  constructor(vocabulary, { lowercase = true, max_length = 512, truncation = "longest_first" } = {}) {
    this.ids = new Map(vocabulary.map((token, id) => [token, id]));
    const missing = SPECIAL_TOKENS.filter((token) => !this.ids.has(token));
    if (missing.length) throw new Error(`vocabulary: expected BERT's special tokens, got one without ${missing}.`);
    this.lowercase = lowercase;
    this.max_length = max_length;
    this.truncation = truncation;
  }

  /**
   * Tokenizes a text or a pair of texts, truncated to `max_length` tokens.
   * @param {string} text
   * @param {string | null} [pair] null for a single text
   * @param {number} [max_length] defaults to that of the tokenizer
   * @returns {Encoded}
   */
  encode(text, pair = null, max_length = this.max_length) {
    const texts = (pair === null ? [text] : [text, pair]).map((one) => this.pieces(one));
    const sizes = texts.map((pieces) => pieces.length);
    const limits = truncatedSizes(sizes, max_length - sizes.length - 1, this.truncation);
    const removed = sum(sizes) - sum(limits);
    /** @type {Encoded} */
    const encoded = { tokens: [], ids: [], type_ids: [], offsets: [], segments: [], truncated: removed > 0, removed };
    this.append(encoded, "[CLS]", 0);
    texts.forEach((pieces, segment) => {
      for (const { token, start, end } of pieces.slice(0, limits[segment])) {
        this.append(encoded, token, segment, [start, end]);
      }
      this.append(encoded, "[SEP]", segment);
    });
    return encoded;
  }

  /** @param {Encoded} encoded @param {string} token @param {number} segment @param {[number, number] | null} [offsets] */
  append(encoded, token, segment, offsets = null) {
    encoded.tokens.push(token);
    encoded.ids.push(/** @type {number} */ (this.ids.get(token)));
    encoded.type_ids.push(segment);
    encoded.offsets.push(offsets);
    encoded.segments.push(offsets ? segment : -1);
  }

  /** Returns the tokens of a text, without [CLS] and [SEP]. @param {string} text @returns {Piece[]} */
  pieces(text) {
    const characters = Array.from(text, (value, i) => ({ value: withoutSurrogate(value), start: i, end: i + 1 }));
    /** @type {Piece[]} */
    const pieces = [];
    let begin = 0;
    for (let i = 0; i < characters.length; i++) { // special tokens in the text, as [MASK], are not split
      const special = SPECIAL_TOKENS.find((token) => startsWith(characters, i, token));
      if (!special) continue;
      pieces.push(...this.piecesOfPart(characters.slice(begin, i)));
      begin = i + special.length;
      pieces.push({ token: special, start: i, end: begin });
      i = begin - 1;
    }
    pieces.push(...this.piecesOfPart(characters.slice(begin)));
    return pieces;
  }

  /** Returns the tokens of a part of a text. @param {Character[]} characters */
  piecesOfPart(characters) {
    let normalized = spaceCjk(clean(characters));
    if (this.lowercase) normalized = lowercase(stripAccents(normalized));
    return words(normalized).flatMap((word) => this.piecesOfWord(word));
  }

  /** Splits a word into the longest tokens of the vocabulary, from left to right. @param {Character[]} word @returns {Piece[]} */
  piecesOfWord(word) {
    const unknown = [{ token: "[UNK]", start: word[0].start, end: word[word.length - 1].end }];
    if (word.length > MAX_WORD) return unknown;
    const pieces = [];
    for (let first = 0; first < word.length; ) {
      let last = word.length; // exclusive
      let token = "";
      for (; last > first; last--) {
        token = (first ? "##" : "") + word.slice(first, last).map(({ value }) => value).join(""); // prettier-ignore
        if (this.ids.has(token)) break;
      }
      if (last === first) return unknown;
      pieces.push({ token, start: word[first].start, end: word[last - 1].end });
      first = last;
    }
    return pieces;
  }
}

// ---- the steps of normalization ----------------------------------------------------------------------------------------

/** Replaces half of a surrogate pair without the other half, which is no character. @param {string} value */
function withoutSurrogate(value) {
  return /^\p{Surrogate}$/u.test(value) ? "\ufffd" : value;
}

/** Removes control characters, and replaces each white space by a space. @param {Character[]} characters */
function clean(characters) {
  return characters
    .filter(({ value }) => !isRemoved(value))
    .map((character) => (SPACE.test(character.value) ? { ...character, value: " " } : character));
}

/** Puts spaces around CJK characters, so that each is a word. @param {Character[]} characters */
function spaceCjk(characters) {
  return characters.flatMap((character) => {
    if (!isCjk(character.value)) return [character];
    const space = { ...character, value: " " };
    return [space, character, space];
  });
}

/**
 * Decomposes characters (Unicode's NFD) and removes nonspacing marks: "é" becomes "e".
 *
 * NFD also puts combining characters into a fixed order. The Rust library then gives the characters of the result, from left to
 * right, the spans of the characters of the text: the first of a decomposition the next span, the others the span before.
 * (None is before the first span, but those that can be sorted there are removed.)
 *
 * @param {Character[]} characters
 */
function stripAccents(characters) {
  let next = 0; // index in `characters`
  return decompose(characters)
    .map(({ value, isFirst }) => {
      if (isFirst) next++;
      return { ...characters[next - 1], value };
    })
    .filter(({ value }) => !isAccent(value));
}

/** Returns the NFD of characters, with whether each was the first of a decomposition. @param {Character[]} characters */
function decompose(characters) {
  /** @type {{value: string, isFirst: boolean}[]} */
  const result = [];
  /** @type {{value: string, isFirst: boolean}[]} */
  let run = []; // of characters that NFD may change or move
  for (const { value } of characters) {
    if (isDecomposed(value)) {
      run.push(...Array.from(value.normalize("NFD"), (one, i) => ({ value: one, isFirst: i === 0 })));
    } else {
      result.push(...ordered(run), { value, isFirst: true });
      run = [];
    }
  }
  return [...result, ...ordered(run)];
}

/**
 * Sorts decomposed characters as NFD does. It keeps the order of equal ones, so that each finds its flag.
 * @param {{value: string, isFirst: boolean}[]} run
 */
function ordered(run) {
  /** @type {Map<string, boolean[]>} */
  const flags = new Map();
  for (const { value, isFirst } of run.toReversed()) flags.set(value, [...(flags.get(value) ?? []), isFirst]);
  const sorted = run.map(({ value }) => value).join("").normalize("NFD"); // prettier-ignore
  return Array.from(sorted, (value) => ({ value, isFirst: Boolean(flags.get(value)?.pop()) }));
}

/** @param {Character[]} characters */
function lowercase(characters) {
  return characters.flatMap((character) =>
    Array.from(character.value.toLowerCase(), (value) => ({ ...character, value })),
  );
}

/** Splits at spaces, which are removed, and around punctuation. @param {Character[]} characters @returns {Character[][]} */
function words(characters) {
  /** @type {Character[][]} */
  const result = [];
  let continues = false;
  for (const character of characters) {
    const { value } = character;
    const isWord = value !== " " && !isPunctuation(value);
    if (isWord && continues) result[result.length - 1].push(character);
    else if (value !== " ") result.push([character]);
    continues = isWord;
  }
  return result;
}

/** @param {Character[]} characters @param {number} i @param {string} token in ASCII */
function startsWith(characters, i, token) {
  for (let j = 0; j < token.length; j++) if (characters[i + j]?.value !== token[j]) return false;
  return true;
}

// ---- truncation ----------------------------------------------------------------------------------------------------------

/**
 * Returns the sizes to which texts are truncated, `budget` tokens together. See `BertPreprocessor` in Python.
 * @param {number[]} sizes @param {number} budget @param {string} truncation
 */
function truncatedSizes(sizes, budget, truncation) {
  if (sum(sizes) <= budget) return sizes;
  if (sizes.length === 1) return [budget];
  const [first, second] = sizes;
  const firstGetsOdd = truncation === "round_robin" || first > second; // longest_first: the longer text, else the second
  const half = Math.floor((budget + Number(firstGetsOdd)) / 2);
  const firstLimit = Math.min(first, Math.max(half, budget - second));
  return [firstLimit, budget - firstLimit];
}

/** @param {number[]} values */
function sum(values) {
  return values.reduce((a, b) => a + b, 0);
}

// ---- classes of characters -------------------------------------------------------------------------------------------------

const isRemoved = oneOf(REMOVED);
const isCjk = oneOf(CJK);
const isAccent = oneOf(ACCENTS);
const isPunctuation = oneOf(PUNCTUATION);
const isDecomposed = oneOf(DECOMPOSED);

/** Returns a test of whether a character is one of a table. @param {string} table @returns {(value: string) => boolean} */
function oneOf(table) {
  const ranges = table.trim().split(/\s+/).map((range) => range.split("-").map((code) => `\\u{${code}}`).join("-")); // prettier-ignore
  const pattern = new RegExp(`^[${ranges.join("")}]$`, "u");
  return (value) => pattern.test(value);
}

export { WordPiece };
