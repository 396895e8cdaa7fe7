// Neuron view: one query and all keys: elementwise products, attention logits, and their softmax.

import { group, make, stepper, table } from "./elements.js";
import { Frame } from "./frame.js";
import { Stage } from "./neuron_stage.js";
import { counted, numberCell, quoted, range, short, shortest, unpack } from "./numbers.js";

/** The softmax of `logits` in double precision; masked keys get 0. @param {number[]} logits @param {number[] | null} mask */
function softmax(logits, mask) {
  /** @type {(index: number) => boolean} */
  const allowed = (index) => !mask || Boolean(mask[index]);
  const largest = Math.max(...logits.filter((_, index) => allowed(index)));
  const powers = logits.map((logit, index) => (allowed(index) ? Math.exp(logit - largest) : 0));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

/**
 * Computes one query's products with the keys of a head [T, H], the attention logits [T], and the weights [T].
 * @param {HeadData} head
 * @param {number} token
 * @param {NeuronSetup} setup
 * @returns {QueryResult}
 */
function computeWeights({ queries, keys }, token, { keyDim, mask, tokens }) {
  const query = queries.subarray(token * keyDim, (token + 1) * keyDim);
  const products = keys.map((value, i) => value * query[i % keyDim]);
  const logits = tokens.map((_, key) => {
    let sum = 0; // not of the products above, which are rounded to float32
    for (let i = 0; i < keyDim; i += 1) sum += query[i] * keys[key * keyDim + i];
    return sum / Math.sqrt(keyDim);
  });
  return { query, products, logits, weights: softmax(logits, mask) };
}

class NeuronView {
  /** @param {HTMLElement} root @param {NeuronSetup} setup @param {Source} source */
  constructor(root, setup, source) {
    this.root = root;
    this.setup = setup;
    this.source = source;
    this.layer = setup.layer;
    this.head = setup.head;
    this.token = setup.token;
    this.loaded = "";
    this.exact = false;
    const none = new Float32Array(setup.tokens.length * setup.keyDim);
    /** @type {HeadData} */
    this.data = { queries: none, keys: none, modelWeights: null };
    this.result = computeWeights(this.data, this.token, setup);
    /** @type {Float32Array | undefined} */
    this.modelWeights = undefined; // of this query
    root.classList.add("be-neuron-view"); // the scope of its style sheet
    root.id ||= `be-neuron-${Math.random().toString(36).slice(2)}`;
    this.frame = new Frame(root, setup, "Neuron view", () => this.tabulate());
    this.stage = new Stage(root, setup, (cell, byKey) => this.point(cell, byKey));
    const layers = stepper("Layer", setup.layers, this.layer, (layer) => this.change({ layer }));
    const heads = stepper("Head", range(setup.heads), this.head, (head) => this.change({ head }));
    const tokens = stepper("Token", range(setup.tokens.length), this.token, (token) => this.change({ token }),
      (index) => `${index}  ${setup.tokens[index].slice(0, 24)}`); // prettier-ignore
    const groups = [group("Layer", layers.element), group("Head", heads.element), group("Query", tokens.element)];
    this.frame.controls.append(make("div", { class: "be-row" }, ...groups));
    this.frame.body.append(this.stage.element);
  }

  /** Layer and head, as in the name of a part. */
  get headName() {
    return `${this.layer}/${this.head}`;
  }

  /** @param {{layer?: number, head?: number, token?: number}} changes */
  async change(changes) {
    Object.assign(this, changes);
    const { headName } = this;
    if (this.loaded !== headName) {
      const data = this.unpacked(await this.source.part(`head/${headName}`));
      if (headName !== this.headName) return; // another one was selected meanwhile
      Object.assign(this, { loaded: headName, data, exact: false });
    }
    this.compute();
    this.frame.announce();
    if (this.setup.exact) await this.refine(headName, this.token);
  }

  /** @param {Uint8Array} bytes @returns {HeadData} */
  unpacked(bytes) {
    const { keyDim, tokens, attention } = this.setup;
    const count = tokens.length;
    const length = count * (keyDim + 8);
    /** @type {(offset: number, columns: number) => Float32Array} */
    const part = (offset, columns) => unpack(bytes, count, columns, offset);
    return { queries: part(0, keyDim), keys: part(length, keyDim), modelWeights: attention ? part(2 * length, count) : null };
  }

  /** Replaces rounded values by exact ones. @param {string} headName @param {number} token */
  async refine(headName, token) {
    const { layer, head } = this;
    const none = Promise.resolve(null);
    const requests = [
      this.exact ? none : this.source.exact({ layer, head }),
      this.setup.attention ? this.source.exact({ layer, head, index: token }) : none,
    ];
    const [both, weights] = await Promise.all(requests).catch(() => [null, null]);
    if (headName !== this.headName || token !== this.token) return;
    if (both) {
      Object.assign(this.data, { queries: both.subarray(0, both.length / 2), keys: both.subarray(both.length / 2) });
      this.exact = true;
    }
    if (weights) this.data.modelWeights?.set(weights, token * this.setup.tokens.length);
    this.compute();
  }

  compute() {
    const count = this.setup.tokens.length;
    this.result = computeWeights(this.data, this.token, this.setup);
    if (this.setup.pruned[this.layer][this.head]) this.result.weights.fill(0); // a head that is not there attends to nothing
    this.modelWeights = this.data.modelWeights?.subarray(this.token * count, (this.token + 1) * count);
    this.draw();
    this.updateReadout();
  }

  draw() {
    if (this.loaded) this.stage.show(this.data, this.result, this.modelWeights, this.token);
  }

  /** @param {[number, number | null] | null} cell @param {boolean} byKey */
  point(cell, byKey) {
    if (cell?.join() === this.stage.cell?.join()) return;
    this.stage.mark(cell, byKey);
    this.updateReadout();
    if (byKey) this.frame.announce();
  }

  updateReadout() {
    const { result, modelWeights } = this;
    this.frame.readout.textContent = this.describe();
    const difference = modelWeights ? Math.max(...modelWeights.map((value, key) => Math.abs(value - result.weights[key]))) : 0;
    const comparison = modelWeights ? `; largest difference from the model’s weights ${short(difference)}` : "";
    const precision = this.exact ? "exact values" : "values rounded to 8 bits";
    this.frame.status.textContent = `${counted(this.setup.keyDim, "dimension")} per query and key, ${precision}${comparison}`;
    this.root.dataset.exact = String(this.exact);
    this.frame.refreshTable();
  }

  describe() {
    const { tokens, keyDim } = this.setup;
    const { logits, weights, products, query } = this.result;
    const digits = this.exact ? shortest : short;
    if (!this.stage.cell) {
      const best = weights.indexOf(Math.max(...weights));
      return `Query ${quoted(tokens, this.token)}, largest weight on ${quoted(tokens, best)}: attention logit q·k/√${keyDim} = ${short(logits[best])}, softmax ${short(weights[best])}.`;
    }
    const [key, dimension] = this.stage.cell;
    const sum = `${quoted(tokens, this.token)} and ${quoted(tokens, key)}: attention logit q·k/√${keyDim} = ${short(logits[key])}, softmax ${short(weights[key])}`;
    if (dimension === null) return `${sum}.`;
    const at = key * keyDim + dimension;
    return `Dimension ${dimension}: q ${digits(query[dimension])} × k ${digits(this.data.keys[at])} = ${short(products[at])}. ${sum}.`;
  }

  tabulate() {
    const { tokens, keyDim } = this.setup;
    const { exact, result, modelWeights } = this;
    const caption = `Layer ${this.layer}, head ${this.head}: query ${quoted(tokens, this.token)} and all keys (${exact ? "exact" : "rounded to 8 bits"})`;
    const rows = tokens.map((token, key) => [
      token, numberCell(result.logits[key], exact), numberCell(result.weights[key], exact), ...(modelWeights ? [numberCell(modelWeights[key], exact)] : []),
    ]); // prettier-ignore
    const row = this.stage.cell?.[0] ?? 0;
    const products = range(keyDim).map((i) => [
      String(i), ...[result.query[i], this.data.keys[row * keyDim + i], result.products[row * keyDim + i]].map((value) => numberCell(value, exact)),
    ]); // prettier-ignore
    return make("div", {},
      table(caption, ["Key", `q·k/√${keyDim}`, "Softmax", ...(modelWeights ? ["Model"] : [])], rows),
      table(`The ${keyDim} dimensions, with the key ${quoted(tokens, row)}`, ["Dimension", "q", "k", "q × k"], products)); // prettier-ignore
  }
}

/** @type {ShowView} */
async function showView(root, setup, source) {
  const view = new NeuronView(root, setup, source);
  const first = view.change({});
  await (setup.exact ? source.part(`head/${setup.layer}/${setup.head}`) : first);
  return {
    redraw: () => view.draw(),
    choices: () => ({ layer: view.layer, head: view.head, token: view.token }),
    close: () => view.frame.close(),
  };
}

export { showView };
