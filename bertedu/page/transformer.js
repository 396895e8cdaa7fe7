// BERT's forward pass: the encoder and the masked-LM head. The letters of shapes are those of the Python package:
// T tokens (queries and keys), L layers, N heads of size H, hidden size D = N H, inner dimension F, vocabulary size V.
//
//     x = LayerNorm(word[id] + position[t] + type[type_id])
//     L times:  x = LayerNorm(x + attention(x));  x = LayerNorm(x + feedforward(x))
//
// Numbers live in the memory of kernels.wasm, which does the arithmetic; an array in it is a pointer, in bytes.

/** @typedef {import("./safetensors.js").Tensor} Tensor */

/**
 * The sizes of a model, from model.json.
 * @typedef {object} Config
 * @property {number} num_layers L
 * @property {number} num_heads N
 * @property {number} hidden_size D
 * @property {number} inner_dim F
 * @property {number} vocab_size V, rows of the word embedding table
 * @property {number} max_length rows of the position embedding table
 * @property {number} type_vocab_size
 * @property {number} layer_norm_epsilon
 */

/** @typedef {{panels: number, inner: number, columns: number}} Matrix [inner, columns] in panels of 8 columns, see kernels.wat */

/** @typedef {{kernel: Matrix, bias: number, down?: Matrix, up?: Matrix}} Dense x W + b, with an adapter (x down) up more */

/** @typedef {{gamma: number, beta: number}} Norm */

/**
 * The weights of a layer.
 * @typedef {object} Layer
 * @property {Dense} query
 * @property {Dense} key
 * @property {Dense} value
 * @property {Dense} attention_output
 * @property {Norm} attention_layer_norm
 * @property {Dense} intermediate
 * @property {Dense} output
 * @property {Norm} output_layer_norm
 */

/**
 * The arrays of a text, copies that belong to the caller.
 * @typedef {object} Outputs
 * @property {Float32Array} embedding_output [T, D]
 * @property {Float32Array[]} encoder_outputs L of [T, D]
 * @property {Float32Array} attention [L, N, T, T]
 */

/** @type {("query" | "key" | "value" | "attention_output" | "intermediate" | "output")[]} */
const DENSE = ["query", "key", "value", "attention_output", "intermediate", "output"];
/** @type {("attention_layer_norm" | "output_layer_norm")[]} */
const NORMS = ["attention_layer_norm", "output_layer_norm"];
const PAGE = 65536; // bytes of a page of WebAssembly's memory
const COLUMNS = 8; // of a panel
const TILE_BYTES = 128; // at the beginning of the memory, see kernels.wat
/** @type {Edits} */
const NOTHING_OFF = { heads: [], attention: [], layers: [] };

/** The kernels of kernels.wasm with their memory, which grows only while a model is loaded. */
class Kernels {
  /** @param {WebAssembly.Module} module @param {number} bytes expected size of all arrays */
  constructor(module, bytes) {
    this.memory = new WebAssembly.Memory({ initial: Math.ceil((bytes + TILE_BYTES) / PAGE) });
    this.next = TILE_BYTES;
    /** @type {any} */
    const { exports } = new WebAssembly.Instance(module, { page: { memory: this.memory } });
    /** @type {(x: number, x_stride: number, panels: number, bias: number, out: number, out_stride: number, rows: number, inner: number, columns: number) => void} */
    this.matmul = exports.matmul;
    /** @type {(x: number, y: number, count: number) => void} */
    this.add = exports.add;
    /** @type {(x: number, gamma: number, beta: number, out: number, rows: number, size: number, epsilon: number) => void} */
    this.layer_norm = exports.layer_norm;
    /** @type {(x: number, rows: number, size: number) => void} */
    this.softmax = exports.softmax;
    /** @type {(x: number, count: number) => void} */
    this.gelu = exports.gelu;
  }

  /** Reserves an array of zeros, filled up to whole panels. @param {number} count @returns {number} its pointer */
  allocate(count) {
    const pointer = this.next;
    this.next += 4 * roundUp(count, COLUMNS);
    const missing = this.next - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / PAGE));
    return pointer;
  }

  /** Returns the values at a pointer, not a copy. Valid until the next `allocate`. @param {number} pointer @param {number} count */
  values(pointer, count) {
    return new Float32Array(this.memory.buffer, pointer, count);
  }

  /** @param {Float32Array} values @returns {number} pointer of their copy */
  store(values) {
    const pointer = this.allocate(values.length);
    this.values(pointer, values.length).set(values);
    return pointer;
  }

  /** @param {Tensor} tensor [inner, columns] @returns {Matrix} */
  storeMatrix({ values, shape: [inner, columns] }) {
    const panels = this.allocate(inner * roundUp(columns, COLUMNS));
    pack(values, 0, columns, 1, inner, columns, this.values(panels, inner * roundUp(columns, COLUMNS)));
    return { panels, inner, columns };
  }
}

/** The encoder: token ids in, attention weights and hidden states out. */
class Encoder {
  /**
   * Loads a model.
   * @param {Config} config
   * @param {Map<string, Tensor>} tensors of `readSafetensors`
   * @param {BufferSource | WebAssembly.Module} wasm kernels.wasm
   * @returns {Promise<Encoder>} rejects if the tensors do not fit `config`, or the browser lacks WebAssembly SIMD
   */
  static async create(config, tensors, wasm) {
    let module;
    try {
      module = wasm instanceof WebAssembly.Module ? wasm : await WebAssembly.compile(wasm);
    } catch (error) {
      const advice = "Chrome and Edge have it from version 91, Firefox from 89, Safari from 16.4.";
      throw new Error(`browser: expected WebAssembly with SIMD, got "${error}". ${advice}`);
    }
    return new Encoder(config, tensors, module);
  }

  /** @param {Config} config @param {Map<string, Tensor>} tensors @param {WebAssembly.Module} module */
  constructor(config, tensors, module) {
    const { num_layers, num_heads, hidden_size: D, inner_dim: F, vocab_size: V, max_length, type_vocab_size } = config;
    this.config = config;
    const reader = new TensorReader(tensors);
    this.kernels = new Kernels(module, reader.bytes() + 4 * max_length * (8 * D + 2 * F + num_heads * max_length));
    this.word_embeddings = this.kernels.store(reader.take("embeddings/word", [V, D]).values);
    this.position_embeddings = reader.take("embeddings/position", [max_length, D]).values;
    this.type_embeddings = reader.take("embeddings/type", [type_vocab_size, D]).values;
    this.embeddings_layer_norm = this.norm(reader, "embeddings/layer_norm");
    this.layers = Array.from({ length: num_layers }, (_, i) => this.layer(reader, `layer_${i}`));
    reader.finish();
    this.scratch = this.allocateScratch();
  }

  /** @param {TensorReader} reader @param {string} name @returns {Layer} */
  layer(reader, name) {
    const { hidden_size: D, inner_dim: F } = this.config;
    /** @type {(part: string, inner: number, columns: number) => Dense} */
    const dense = (part, inner, columns) => ({
      kernel: this.kernels.storeMatrix(reader.take(`${name}/${part}/kernel`, [inner, columns])),
      bias: this.kernels.store(reader.take(`${name}/${part}/bias`, [columns]).values),
    });
    return {
      query: dense("query", D, D),
      key: dense("key", D, D),
      value: dense("value", D, D),
      attention_output: dense("attention_output", D, D),
      attention_layer_norm: this.norm(reader, `${name}/attention_layer_norm`),
      intermediate: dense("intermediate", D, F),
      output: dense("output", F, D),
      output_layer_norm: this.norm(reader, `${name}/output_layer_norm`),
    };
  }

  /** @param {TensorReader} reader @param {string} name @returns {Norm} */
  norm(reader, name) {
    const size = [this.config.hidden_size];
    return {
      gamma: this.kernels.store(reader.take(`${name}/gamma`, size).values),
      beta: this.kernels.store(reader.take(`${name}/beta`, size).values),
    };
  }

  /** Reserves the arrays of a forward pass for the longest text, so that no pass allocates. */
  allocateScratch() {
    const { num_heads: N, hidden_size: D, inner_dim: F, max_length: T } = this.config;
    const allocate = this.kernels.allocate.bind(this.kernels);
    const H = D / N;
    return {
      x: allocate(T * D),
      queries: allocate(T * D),
      keys: allocate(T * D),
      values: allocate(T * D),
      attention: allocate(N * T * T),
      panels: allocate(Math.max(H * roundUp(T, COLUMNS), T * roundUp(H, COLUMNS))),
      context: allocate(T * D),
      output: allocate(T * D),
      neurons: allocate(T * F),
      no_bias: allocate(Math.max(T, D, F)),
      low_rank: 0, // allocated for the first adapter
      update: 0,
    };
  }

  /**
   * Runs the model on one text.
   * @param {ArrayLike<number>} ids [T]
   * @param {ArrayLike<number>} type_ids [T]
   * @param {Edits} [edits] what is switched off
   * @param {Layer[]} [adapter] other weights of the layers, of `adapted`
   * @returns {Outputs}
   */
  run(ids, type_ids, edits = NOTHING_OFF, adapter = this.layers) {
    const { num_layers, num_heads, hidden_size: D } = this.config;
    const T = ids.length;
    const size = num_heads * T * T; // of a layer's attention weights
    const attention = new Float32Array(num_layers * size);
    /** @type {Float32Array[]} */
    const hidden_states = [];
    const { scratch, kernels } = this;
    this.forward(ids, type_ids, edits, adapter, (layer) => {
      hidden_states.push(kernels.values(scratch.x, T * D).slice());
      if (layer >= 0) attention.set(kernels.values(scratch.attention, size), layer * size);
    });
    const [embedding_output, ...encoder_outputs] = hidden_states;
    return { embedding_output, encoder_outputs, attention };
  }

  /**
   * Computes the hidden states of a text in `scratch.x`.
   * @param {ArrayLike<number>} ids [T]
   * @param {ArrayLike<number>} type_ids [T]
   * @param {Edits} edits
   * @param {Layer[]} layers
   * @param {(layer: number) => void} [visit] called with -1 after the embeddings, and with the index of each layer
   */
  forward(ids, type_ids, edits, layers, visit = () => {}) {
    this.check(ids, type_ids, edits);
    const { kernels, scratch } = this;
    const x = kernels.values(scratch.x, ids.length * this.config.hidden_size); // [T, D]
    this.embed(ids, type_ids);
    visit(-1);
    layers.forEach((layer, index) => {
      const input = edits.layers.includes(index) ? x.slice() : null; // [T, D]
      this.attend(layer, ids.length, this.headsOff(edits, index));
      this.feedforward(layer, ids.length);
      if (input) x.set(input);
      visit(index);
    });
  }

  /** x = LayerNorm(word[id] + position[t] + type[type_id]), [T, D] @param {ArrayLike<number>} ids @param {ArrayLike<number>} type_ids */
  embed(ids, type_ids) {
    const { kernels, scratch, position_embeddings: position, type_embeddings: type } = this;
    const { hidden_size: D, vocab_size: V } = this.config;
    const word = kernels.values(this.word_embeddings, V * D);
    const x = kernels.values(scratch.x, ids.length * D);
    for (let t = 0; t < ids.length; t++) {
      for (let d = 0; d < D; d++) x[t * D + d] = word[ids[t] * D + d] + position[t * D + d] + type[type_ids[t] * D + d];
    }
    this.normalize(scratch.x, this.embeddings_layer_norm, ids.length);
  }

  /**
   * x = LayerNorm(x + attention(x)), [T, D]; the attention weights are in `scratch.attention`, [N, T, T].
   * @param {Layer} layer @param {number} T @param {Set<number>} off heads whose context is 0
   */
  attend(layer, T, off) {
    const { kernels, scratch } = this;
    const { num_heads: N, hidden_size: D } = this.config;
    const H = D / N;
    this.project(scratch.x, layer.query, scratch.queries, T); // [T, N H]
    this.project(scratch.x, layer.key, scratch.keys, T); // [T, N H]
    this.project(scratch.x, layer.value, scratch.values, T); // [T, N H]
    const queries = kernels.values(scratch.queries, T * D);
    const keys = kernels.values(scratch.keys, T * D);
    const values = kernels.values(scratch.values, T * D);
    const panels = kernels.values(scratch.panels, Math.max(H * roundUp(T, COLUMNS), T * roundUp(H, COLUMNS)));
    const scale = 1 / Math.sqrt(H);
    for (let i = 0; i < T * D; i++) queries[i] *= scale;

    for (let n = 0; n < N; n++) { // logits = q k^T / sqrt(H)
      pack(keys, n * H, 1, D, H, T, panels); // k^T, [H, T]
      const logits = scratch.attention + 4 * n * T * T; // [T, T]
      kernels.matmul(scratch.queries + 4 * n * H, D, scratch.panels, scratch.no_bias, logits, T, T, H, T);
    }
    kernels.softmax(scratch.attention, N * T, T); // weights, [N, T, T]
    for (let n = 0; n < N; n++) { // context = weights v
      pack(values, n * H, D, 1, T, H, panels); // v, [T, H]
      const weights = scratch.attention + 4 * n * T * T; // [T, T]
      kernels.matmul(weights, T, scratch.panels, scratch.no_bias, scratch.context + 4 * n * H, D, T, T, H); // [T, H]
    }
    const context = kernels.values(scratch.context, T * D); // [T, N H]
    for (const n of off) for (let t = 0; t < T; t++) context.fill(0, t * D + n * H, t * D + (n + 1) * H);

    this.project(scratch.context, layer.attention_output, scratch.output, T); // [T, D]
    kernels.add(scratch.x, scratch.output, T * D);
    this.normalize(scratch.x, layer.attention_layer_norm, T);
  }

  /** x = LayerNorm(x + GELU(x W_1 + b_1) W_2 + b_2), [T, D] @param {Layer} layer @param {number} T */
  feedforward(layer, T) {
    const { kernels, scratch } = this;
    this.project(scratch.x, layer.intermediate, scratch.neurons, T); // [T, F]
    kernels.gelu(scratch.neurons, T * this.config.inner_dim);
    this.project(scratch.neurons, layer.output, scratch.output, T); // [T, D]
    kernels.add(scratch.x, scratch.output, T * this.config.hidden_size);
    this.normalize(scratch.x, layer.output_layer_norm, T);
  }

  /** out = x W + b, and with an adapter + (x down) up @param {number} x @param {Dense} dense @param {number} out @param {number} T */
  project(x, { kernel, bias, down, up }, out, T) {
    const { kernels, scratch } = this;
    const { inner, columns } = kernel;
    kernels.matmul(x, inner, kernel.panels, bias, out, columns, T, inner, columns); // [T, columns]
    if (!down || !up) return;
    const rank = down.columns;
    kernels.matmul(x, inner, down.panels, scratch.no_bias, scratch.low_rank, rank, T, inner, rank); // [T, rank]
    kernels.matmul(scratch.low_rank, rank, up.panels, scratch.no_bias, scratch.update, columns, T, rank, columns);
    kernels.add(out, scratch.update, T * columns);
  }

  /** x = LayerNorm(x) @param {number} x [T, D] @param {Norm} norm @param {number} T */
  normalize(x, { gamma, beta }, T) {
    const { hidden_size, layer_norm_epsilon } = this.config;
    this.kernels.layer_norm(x, gamma, beta, x, T, hidden_size, layer_norm_epsilon);
  }

  /**
   * Returns the layers with changes: low-rank matrices beside the kernels, which are shared, and sums of biases and norms.
   * @param {TensorReader} reader of tensors "PREFIX/layer_0/query/down", ".../up" and ".../bias", ".../gamma", ".../beta"
   * @param {string} prefix
   * @returns {Layer[]}
   */
  adapted(reader, prefix) {
    const { hidden_size: D, inner_dim: F, max_length: T } = this.config;
    const { kernels, scratch } = this;
    let largest = 0; // rank
    /** @type {(name: string, pointer: number, size: number) => number} */
    const sum = (name, pointer, size) => {
      const change = reader.takeIfAny(name, [size]);
      return change ? kernels.store(change.values.map((value, i) => value + kernels.values(pointer, size)[i])) : pointer;
    };
    const layers = this.layers.map((layer, i) => {
      const changed = { ...layer };
      for (const part of DENSE) {
        const { kernel, bias } = layer[part];
        const name = `${prefix}/layer_${i}/${part}`;
        changed[part] = { kernel, bias: sum(`${name}/bias`, bias, kernel.columns) };
        const down = reader.takeIfAny(`${name}/down`, [kernel.inner, null]);
        if (!down) continue;
        const rank = down.shape[1];
        largest = Math.max(largest, rank);
        changed[part].down = kernels.storeMatrix(down);
        changed[part].up = kernels.storeMatrix(reader.take(`${name}/up`, [rank, kernel.columns]));
      }
      for (const part of NORMS) {
        const name = `${prefix}/layer_${i}/${part}`;
        const { gamma, beta } = layer[part];
        changed[part] = { gamma: sum(`${name}/gamma`, gamma, D), beta: sum(`${name}/beta`, beta, D) };
      }
      return changed;
    });
    scratch.low_rank = kernels.allocate(T * largest);
    scratch.update = kernels.allocate(T * Math.max(D, F));
    return layers;
  }

  /** Returns the heads of a layer whose output is 0. @param {Edits} edits @param {number} layer @returns {Set<number>} */
  headsOff(edits, layer) {
    if (edits.attention.includes(layer)) return new Set(Array(this.config.num_heads).keys());
    return new Set(edits.heads.filter(([of]) => of === layer).map(([, head]) => head));
  }

  /** @param {ArrayLike<number>} ids @param {ArrayLike<number>} type_ids @param {Edits} edits */
  check(ids, type_ids, edits) {
    const { num_layers, num_heads, vocab_size, max_length, type_vocab_size } = this.config;
    if (ids.length < 1 || ids.length > max_length) throw expected("ids", `1 to ${max_length} tokens`, ids.length);
    if (type_ids.length !== ids.length) throw expected("type_ids", `${ids.length} values`, type_ids.length);
    checkIndices("ids", ids, vocab_size);
    checkIndices("type_ids", type_ids, type_vocab_size);
    checkIndices("edits.heads", edits.heads.map(([layer]) => layer), num_layers); // prettier-ignore
    checkIndices("edits.heads", edits.heads.map(([, head]) => head), num_heads); // prettier-ignore
    checkIndices("edits.attention", edits.attention, num_layers);
    checkIndices("edits.layers", edits.layers, num_layers);
  }
}

/**
 * The masked-LM head, on the encoder's layers with its own changes to them: logits = h E^T + c, where
 * h = LayerNorm(GELU(x W + b)) and E is the word embedding table.
 */
class MaskedLM {
  /** @param {Encoder} encoder @param {Map<string, Tensor>} tensors the same as the encoder's */
  constructor(encoder, tensors) {
    const { hidden_size: D, vocab_size: V } = encoder.config;
    const { kernels } = encoder;
    const reader = new TensorReader(tensors, "masked_lm/");
    this.encoder = encoder;
    /** @type {Dense} */
    this.transform = {
      kernel: kernels.storeMatrix(reader.take("masked_lm/transform/kernel", [D, D])),
      bias: kernels.store(reader.take("masked_lm/transform/bias", [D]).values),
    };
    this.layer_norm = encoder.norm(reader, "masked_lm/layer_norm");
    this.output_bias = kernels.store(reader.take("masked_lm/output_bias", [V]).values);
    this.layers = encoder.adapted(reader, "masked_lm");
    reader.finish();
    this.scratch = { hidden: kernels.allocate(D), panels: kernels.allocate(COLUMNS * D), logits: kernels.allocate(V) };
  }

  /**
   * Returns the probability of every token of the vocabulary at a position.
   * @param {ArrayLike<number>} ids [T], usually with [MASK] at the position
   * @param {ArrayLike<number>} type_ids [T]
   * @param {number} position
   * @param {Edits} [edits] what is switched off
   * @returns {Float32Array} [V]
   */
  predict(ids, type_ids, position, edits = NOTHING_OFF) {
    checkIndices("position", [position], ids.length);
    const { encoder, scratch } = this;
    const { kernels } = encoder;
    const { hidden_size: D, vocab_size: V } = encoder.config;
    encoder.forward(ids, type_ids, edits, this.layers);
    encoder.project(encoder.scratch.x + 4 * position * D, this.transform, scratch.hidden, 1); // [1, D]
    kernels.gelu(scratch.hidden, D);
    encoder.normalize(scratch.hidden, this.layer_norm, 1);
    // The table's rows are contiguous, so it is the left matrix: E h, [V, D] [D, 1].
    pack(kernels.values(scratch.hidden, D), 0, 1, 1, D, 1, kernels.values(scratch.panels, COLUMNS * D));
    const table = encoder.word_embeddings;
    kernels.matmul(table, D, scratch.panels, encoder.scratch.no_bias, scratch.logits, 1, V, D, 1); // [V]
    kernels.add(scratch.logits, this.output_bias, V);
    kernels.softmax(scratch.logits, 1, V);
    return kernels.values(scratch.logits, V).slice();
  }
}

/** Reads the tensors of one part of a file, each once, and reports those that are missing or left over. */
class TensorReader {
  /** @param {Map<string, Tensor>} tensors @param {string} [prefix] of the names to read. Defaults to those of the encoder. */
  constructor(tensors, prefix = "") {
    const belongs = (/** @type {string} */ name) => (prefix ? name.startsWith(prefix) : !name.startsWith("masked_lm/"));
    this.tensors = new Map([...tensors].filter(([name]) => belongs(name)));
  }

  /** Returns the size of all tensors as float32. */
  bytes() {
    return [...this.tensors.values()].reduce((total, { shape }) => total + 4 * shape.reduce((a, b) => a * b, 1), 0);
  }

  /** @param {string} name @param {(number | null)[]} shape null for any size @returns {Tensor} */
  take(name, shape) {
    const tensor = this.takeIfAny(name, shape);
    if (!tensor) throw expected("weights", name, "a file without it");
    return tensor;
  }

  /** @param {string} name @param {(number | null)[]} shape @returns {Tensor | undefined} */
  takeIfAny(name, shape) {
    const tensor = this.tensors.get(name);
    this.tensors.delete(name);
    if (tensor && (tensor.shape.length !== shape.length || shape.some((size, i) => size !== null && size !== tensor.shape[i]))) {
      throw expected(`weights: ${name}`, `shape [${shape}]`, `[${tensor.shape}]`);
    }
    return tensor;
  }

  /** Throws an error if tensors are left. */
  finish() {
    if (this.tensors.size) throw expected("weights", "no other tensors", [...this.tensors.keys()][0]);
  }
}

/**
 * Writes a matrix in panels of 8 columns, filled up with zeros: [columns / 8, inner, 8].
 * @param {Float32Array} source
 * @param {number} start index of the first value
 * @param {number} rowStep from a value to the one below
 * @param {number} columnStep from a value to the one on its right
 * @param {number} inner rows
 * @param {number} columns
 * @param {Float32Array} panels
 */
function pack(source, start, rowStep, columnStep, inner, columns, panels) {
  let next = 0;
  for (let first = 0; first < columns; first += COLUMNS) {
    const valid = Math.min(COLUMNS, columns - first);
    for (let row = 0; row < inner; row++, next += COLUMNS) {
      const from = start + row * rowStep + first * columnStep;
      for (let i = 0; i < valid; i++) panels[next + i] = source[from + i * columnStep];
      for (let i = valid; i < COLUMNS; i++) panels[next + i] = 0;
    }
  }
}

/** @param {number} count @param {number} step */
function roundUp(count, step) {
  return Math.ceil(count / step) * step;
}

/** @param {string} name @param {ArrayLike<number>} indices @param {number} size */
function checkIndices(name, indices, size) {
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i];
    if (!Number.isInteger(index) || index < 0 || index >= size) throw expected(name, `0 to ${size - 1}`, index);
  }
}

/** @param {string} name @param {string} what @param {unknown} got */
function expected(name, what, got) {
  return new Error(`${name}: expected ${what}, got ${got}.`);
}

export { Encoder, MaskedLM };
