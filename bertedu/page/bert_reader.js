// The explorer's model inside the worker: reads texts, and answers the page's questions about the latest ones. Its
// messages are those of bert_reader.py, with the same fields and notes.

import { range } from "../views/numbers.js";
import { cosineSimilarity, headStatistics, meanVector, principalComponents, rounded } from "./statistics.js";

const [MAX_CACHED, MAX_CACHED_NBYTES] = [4, 100_000_000]; // latest texts that the page can ask about; at least one
const MAX_CHARACTERS = 20_000; // of a text; more than any BERT reads
const MAX_TOKEN_CHARACTERS = 200; // of a token sent to the page, which then states its length
const MAX_STATISTICS_SIZE = 40_000_000; // attention weights
const TOP_K = 5;
const OTHER_HEAD = "The model was published without a masked-LM head. This one was trained on Python's documentation only.";
/** Key, label and unit of the head statistics. @type {[string, string, string][]} */
const MEASURES = [
  ["entropy", "entropy", "bits"],
  ["distance", "distance", "tokens"],
  ["previous", "weight on the previous token", ""],
  ["next", "weight on the next token", ""],
  ["itself", "weight on the token itself", ""],
  ["same_word", "weight on the same word elsewhere", ""],
  ["cls", "weight on [CLS]", ""],
  ["sep", "weight on [SEP]", ""],
  ["punctuation", "weight on punctuation", ""],
];
const SPECIAL = ["<s>", "</s>", "<pad>", "<mask>", "<unk>", "<cls>", "<sep>", "<|endoftext|>"];
/** @type {Edits} */
const NO_EDITS = { heads: [], attention: [], layers: [] };

/** @typedef {import("./wordpiece.js").Encoded} Encoded */
/** @typedef {import("./transformer.js").Outputs} Outputs */
/**
 * @typedef {object} Model
 * @property {import("./wordpiece.js").WordPiece} tokenizer
 * @property {string[]} vocabulary
 * @property {import("./transformer.js").Encoder} encoder
 * @property {import("./transformer.js").MaskedLM | null} masked_lm
 */
/**
 * The model's names and sizes, in model.json.
 * @typedef {object} ModelConfig
 * @property {string} name
 * @property {boolean} other_head whether the masked-LM head was not published with the model
 * @property {number} embed_max_length
 * @property {import("./transformer.js").Config} model
 */

/** A text that was read, with its arrays. */
class CachedText {
  /** @param {string[]} texts @param {Edits} edits @param {Encoded} encoded @param {Outputs} outputs @param {boolean} is_truncated */
  constructor(texts, edits, encoded, outputs, is_truncated) {
    this.texts = texts;
    this.edits = edits;
    this.encoded = encoded;
    this.outputs = outputs;
    this.is_truncated = is_truncated;
    /** @type {Outputs | null} */
    this.original = null; // the outputs without edits; computed when they are asked for
  }

  get is_edited() {
    return Object.values(this.edits).some((indices) => indices.length > 0);
  }

  get nbytes() {
    return [this.outputs, this.original].reduce((sum, outputs) => sum + (outputs ? nbytesOf(outputs) : 0), 0);
  }
}

/** @param {Outputs} outputs */
function nbytesOf({ attention, encoder_outputs }) {
  return attention.byteLength + encoder_outputs.reduce((sum, one) => sum + one.byteLength, 0);
}

/** Reads texts with a model. A text that was read has a number; the latest ones are cached. */
class BertReader {
  /** @param {ModelConfig} config @param {Model} model */
  constructor(config, model) {
    this.config = config;
    this.model = model;
    this.count = 0;
    /** @type {Map<number, CachedText>} */
    this.cached = new Map();
  }

  /** @returns {Description} */
  describe() {
    const { name, other_head, model } = this.config;
    return {
      name: visible(name),
      num_layers: model.num_layers,
      num_heads: model.num_heads,
      hidden_size: model.hidden_size,
      can_fill_mask: this.model.masked_lm !== null,
      fill_mask_note: other_head ? OTHER_HEAD : "",
      measures: MEASURES,
    };
  }

  /**
   * Reads a text or a pair of texts; an empty `pair` means a single text.
   * @param {{text: string, pair?: string, edits?: Edits}} question
   * @returns {ReadingMessage & {number: number}}
   */
  read({ text, pair = "", edits = NO_EDITS }) {
    const { name, model } = this.config;
    /** @type {string[]} */
    const notes = [];
    const texts = [["The text", text], ["The second text", pair]].map(([which, value]) => {
      const characters = Array.from(asTyped(value));
      if (characters.length <= MAX_CHARACTERS) return characters.join("");
      const [count, limit] = [characters.length, MAX_CHARACTERS].map((number) => number.toLocaleString("en"));
      notes.push(`${which} has ${count} characters; the page reads the first ${limit}.`);
      return characters.slice(0, MAX_CHARACTERS).join("");
    }); // prettier-ignore
    const start = performance.now();
    const limit = model.max_length;
    const encoded = this.model.tokenizer.encode(texts[0], texts[1] || null);
    const outputs = this.model.encoder.run(encoded.ids, encoded.type_ids, edits);
    const milliseconds = rounded(performance.now() - start, 1);
    if (encoded.removed) {
      const got = encoded.ids.length + encoded.removed;
      notes.push(`text: expected at most ${limit} tokens for '${name}', got ${got} tokens; ${encoded.removed} of them were cut off.`);
    }
    const number = this.store(new CachedText(texts, edits, encoded, outputs, notes.length > 0));
    const { ids, type_ids, offsets, segments } = encoded;
    const tokens = encoded.tokens.map(visible);
    const special = tokens.map((token) => Number(isSpecial(token)));
    const statistics = this.statistics(outputs.attention, encoded.tokens);
    return { number, texts, edits, tokens, special, segments, ids, type_ids, offsets, signed: false, notes, milliseconds, statistics };
  }

  /** @param {Float32Array} attention @param {string[]} tokens @returns {Statistics} */
  statistics(attention, tokens) {
    if (attention.length > MAX_STATISTICS_SIZE) return { note: "The text is too long for head statistics here. Use be.analysis.head_statistics." };
    const { num_layers, num_heads } = this.config.model;
    return headStatistics(attention, num_layers, num_heads, tokens);
  }

  /** Caches a text and drops old ones; returns its number. @param {CachedText} text */
  store(text) {
    this.count += 1;
    this.cached.set(this.count, text);
    let nbytes = 0;
    [...this.cached.keys()].reverse().forEach((number, rank) => {
      nbytes += this.text(number).nbytes;
      if (rank >= MAX_CACHED || (rank && nbytes > MAX_CACHED_NBYTES)) this.cached.delete(number);
    });
    return this.count;
  }

  /** @param {number} number */
  text(number) {
    const text = this.cached.get(number);
    if (!text) throw new Error(`reading ${number} is no longer cached`);
    return text;
  }

  /** The outputs for a text without edits, often those of a text that was read before. @param {CachedText} text */
  original(text) {
    const same = [...this.cached.values()].find((other) => !other.is_edited && other.texts.join("\n\n") === text.texts.join("\n\n"));
    text.original ??= same?.outputs ?? this.model.encoder.run(text.encoded.ids, text.encoded.type_ids, NO_EDITS);
    return text.original;
  }

  /** @param {number} number @param {boolean} original */
  outputs(number, original) {
    const text = this.text(number);
    return original ? this.original(text) : text.outputs;
  }

  /** The attention weights of a layer, [N, T, T]. @param {{number: number, original: boolean, layer: number}} question */
  layer({ number, original, layer }) {
    const { attention } = this.outputs(number, original);
    const size = attention.length / this.config.model.num_layers;
    return attention.slice(layer * size, (layer + 1) * size);
  }

  /** The weights of one token in every head of a layer, [N, T], as the query or as the key. @param {{number: number, original: boolean} & Focus & {layer: number}} question */
  exact({ number, original, layer, side, index }) {
    const weights = this.layer({ number, original, layer });
    const length = this.text(number).encoded.ids.length;
    const rows = range(weights.length / length ** 2).flatMap((head) =>
      range(length).map((other) => weights[side === "query" ? (head * length + index) * length + other : (head * length + other) * length + index]),
    );
    return Float32Array.from(rows);
  }

  /**
   * The first two principal components of a hidden state: the embeddings (0) or layer hidden_state - 1. With something
   * switched off, they are the components of the vectors of both runs.
   * @param {{number: number, hidden_state: number}} question
   * @returns {Projection}
   */
  projection({ number, hidden_state }) {
    const text = this.text(number);
    const [count, size] = [text.encoded.ids.length, this.config.model.hidden_size];
    if (count < 3 || size < 2) return { hidden_state, points: null, variance: [] };
    const runs = text.is_edited ? [text.outputs, this.original(text)] : [text.outputs];
    const vectors = new Float32Array(runs.length * count * size); // [R, D]
    runs.forEach((run, index) => vectors.set(hidden_state ? run.encoder_outputs[hidden_state - 1] : run.embedding_output, index * count * size));
    const { points, ratio } = principalComponents(vectors, runs.length * count, size);
    /** @type {[number, number][]} */
    const all = points.map(([x, y]) => [rounded(x, 5), rounded(y, 5)]);
    const message = { hidden_state, points: all.slice(0, count), variance: ratio.map((value) => rounded(value, 5)) };
    return text.is_edited ? { ...message, original_points: all.slice(count) } : message;
  }

  /** The cosine similarity of the two texts, each read alone; null if there is only one. @param {{number: number}} question @returns {Similarity | null} */
  similarity({ number }) {
    const { texts, edits, is_edited } = this.text(number);
    if (!texts[1]) return null;
    const encoded = texts.map((text) => this.model.tokenizer.encode(text, null, this.config.embed_max_length));
    /** @type {(edits: Edits) => number} */
    const cosine = (edits) => {
      const [first, second] = encoded.map(({ ids, type_ids }) => {
        const output = this.model.encoder.run(ids, type_ids, edits).encoder_outputs.at(-1) ?? new Float32Array();
        return meanVector(output, this.config.model.hidden_size);
      });
      return cosineSimilarity(first, second);
    };
    return is_edited ? { cosine: cosine(edits), original_cosine: cosine(NO_EDITS), pooling: "mean" } : { cosine: cosine(NO_EDITS), pooling: "mean" };
  }

  /**
   * Predicts a token's word from all other tokens. With something switched off, the words are the best ones of both
   * runs, with their probabilities in both.
   * @param {{number: number, token: number}} question
   * @returns {Prediction}
   */
  fillMask({ number, token }) {
    const { masked_lm, tokenizer, vocabulary } = this.model;
    const mask_id = tokenizer.ids.get("[MASK]") ?? -1;
    const read = this.text(number);
    if (!masked_lm) throw new Error(`expected a masked-LM head, got '${this.config.name}' without one`);
    const { texts, masks_before, word } = withMask(read, token, mask_id);
    const limit = this.config.model.max_length;
    const encoded = tokenizer.encode(texts[0], texts[1] || null);
    if (encoded.removed) throw new Error(`text: expected at most ${limit} tokens, got ${limit + encoded.removed}. Shorten it.`);
    const positions = range(encoded.ids.length).filter((index) => encoded.ids[index] === mask_id);
    /** @type {(edits: Edits) => Float32Array} */
    const predict = (edits) => masked_lm.predict(encoded.ids, encoded.type_ids, positions[masks_before], edits);
    const message = { token, word: visible(word), masked_text: texts[Math.max(0, read.encoded.segments[token])] };
    const after = predict(read.edits);
    const before = read.is_edited ? predict(NO_EDITS) : after;
    const best = [...new Set([...largest(after, TOP_K), ...largest(before, TOP_K)])].sort((a, b) => after[b] - after[a]);
    /** @type {[string, number][]} */
    const top_predictions = best.map((id) => [visible(vocabulary[id]), after[id]]);
    return read.is_edited ? { ...message, top_predictions, original_probabilities: best.map((id) => before[id]) } : { ...message, top_predictions };
  }
}

/** A text as a text box has it: lines end in a line feed, lone surrogates are replaced. @param {string} text */
function asTyped(text) {
  return text.replace(/\r\n?/g, "\n").replace(/\p{Surrogate}/gu, "\ufffd");
}

/**
 * The texts with a token's whole word replaced by [MASK], the number of [MASK] before it, and the word.
 * @param {CachedText} read
 * @param {number} token
 * @param {number} mask_id
 */
function withMask({ texts, encoded, is_truncated }, token, mask_id) {
  const { tokens, ids, segments, offsets } = encoded;
  const segment = segments[token];
  if (segment < 0) throw new Error(`token: expected the position of a word, got ${token}, the special token ${tokens[token]}. Choose a word.`);
  let [first, last] = [token, token];
  while (tokens[first].startsWith("##") && offsets[first - 1]) first -= 1;
  while (tokens[last + 1].startsWith("##")) last += 1; // [SEP] ends every text
  /** @type {(index: number) => [number, number]} */
  const span = (index) => offsets[index] ?? [0, 0];
  const masked = texts.map((text, number) => {
    if (!is_truncated) return Array.from(text); // code points
    const ends = range(tokens.length).filter((index) => segments[index] === number).map((index) => span(index)[1]);
    return Array.from(text).slice(0, Math.max(0, ...ends)); // do not restore the truncated part
  }); // prettier-ignore
  const [[start], [, end]] = [span(first), span(last)];
  const word = masked[segment].splice(start, end - start, "[MASK]").join("");
  const masks_before = ids.slice(0, first).filter((id) => id === mask_id).length;
  return { texts: masked.map((characters) => characters.join("")), masks_before, word };
}

/** The indices of the `count` largest values, largest first. @param {Float32Array} values @param {number} count */
function largest(values, count) {
  /** @type {number[]} */
  const best = [];
  values.forEach((value, index) => {
    if (best.length === count && value <= values[best[count - 1]]) return;
    const rank = best.findIndex((other) => values[other] < value);
    best.splice(rank < 0 ? best.length : rank, 0, index);
    best.length = Math.min(best.length, count);
  });
  return best;
}

/** `text` with characters that are invisible or change the writing direction as U+XXXX. @param {string} text */
function visible(text) {
  const characters = Array.from(text);
  let shown = characters.slice(0, MAX_TOKEN_CHARACTERS).map((character) => {
    const code = character.codePointAt(0) ?? 0;
    return /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}]/u.test(character) ? `U+${code.toString(16).toUpperCase().padStart(4, "0")}` : character;
  }).join(""); // prettier-ignore
  if (characters.length > MAX_TOKEN_CHARACTERS) shown += `… (${characters.length.toLocaleString("en")} characters)`;
  if (shown.trim()) return shown;
  return characters.length ? `(${characters.length} × space)` : "(empty)";
}

/** Whether a token is a special token, such as [CLS] or </s>. @param {string} token */
function isSpecial(token) {
  const brackets = token.length > 2 && ["[]", "<>"].includes(token[0] + token.at(-1));
  const name = token.slice(1, -1);
  return (brackets && /\p{Lu}/u.test(name) && !/[\p{Ll}\p{Lt}]/u.test(name)) || SPECIAL.includes(token);
}

export { BertReader };
