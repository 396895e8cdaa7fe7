// Neuron view: one token's query against every key, number by number, then summed, then through the softmax.

import { group, make, stepper, table } from "./elements.js";
import { Frame } from "./frame.js";
import { Stage } from "./neuron_stage.js";
import { counted, named, range, short, shortest, unpack, written } from "./numbers.js";

/** The softmax of `logits`; masked keys get 0. Summed in double precision. @param {number[]} logits @param {number[] | null} mask */
function softmax(logits, mask) {
  /** @type {(index: number) => boolean} */
  const allowed = (index) => !mask || Boolean(mask[index]);
  const largest = Math.max(...logits.filter((_, index) => allowed(index)));
  const powers = logits.map((logit, index) => (allowed(index) ? Math.exp(logit - largest) : 0));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

/**
 * What one query does with the keys of a head: products [T, H], their scaled sums [T], and the weights [T].
 * @param {HeadNumbers} head
 * @param {number} token
 * @param {NeuronSetup} setup
 * @returns {Meeting}
 */
function meeting({ queries, keys }, token, { width, mask, tokens }) {
  const query = queries.subarray(token * width, (token + 1) * width);
  const products = keys.map((value, i) => value * query[i % width]);
  const logits = tokens.map((_, key) => {
    let sum = 0; // from the numbers themselves: the products above are rounded to float32
    for (let i = 0; i < width; i += 1) sum += query[i] * keys[key * width + i];
    return sum / Math.sqrt(width);
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
    const none = new Float32Array(setup.tokens.length * setup.width);
    /** @type {HeadNumbers} */
    this.data = { queries: none, keys: none, own: null };
    this.met = meeting(this.data, this.token, setup);
    /** @type {Float32Array | undefined} */
    this.own = undefined; // the model's own weights of this token
    root.classList.add("be-neuron-view"); // what its own style sheet begins with
    root.id ||= `be-neuron-${Math.random().toString(36).slice(2)}`;
    this.frame = new Frame(root, setup, "Neuron view", () => this.tabulate());
    this.stage = new Stage(root, setup, (place, byKey) => this.point(place, byKey));
    const layers = stepper("Layer", setup.layers, this.layer, (layer) => this.change({ layer }));
    const heads = stepper("Head", range(setup.heads), this.head, (head) => this.change({ head }));
    const tokens = stepper("Token", range(setup.tokens.length), this.token, (token) => this.change({ token }),
      (index) => `${index}  ${setup.tokens[index].slice(0, 24)}`); // prettier-ignore
    const groups = [group("Layer", layers.element), group("Head", heads.element), group("Token that looks", tokens.element)];
    this.frame.controls.append(make("div", { class: "be-row" }, ...groups));
    this.frame.body.append(this.stage.element);
  }

  /** The head that is shown, as a part's name has it. */
  get place() {
    return `${this.layer}/${this.head}`;
  }

  /** @param {{layer?: number, head?: number, token?: number}} changes */
  async change(changes) {
    Object.assign(this, changes);
    const { place } = this;
    if (this.loaded !== place) {
      const data = this.unpacked(await this.source.part(`head/${place}`));
      if (place !== this.place) return; // another was chosen meanwhile
      Object.assign(this, { loaded: place, data, exact: false });
    }
    this.meet();
    this.frame.say();
    if (this.setup.exact) await this.refine(place, this.token);
  }

  /** @param {Uint8Array} bytes @returns {HeadNumbers} */
  unpacked(bytes) {
    const { width, tokens, attention } = this.setup;
    const count = tokens.length;
    const length = count * (width + 8);
    /** @type {(offset: number, columns: number) => Float32Array} */
    const part = (offset, columns) => unpack(bytes, count, columns, offset);
    return { queries: part(0, width), keys: part(length, width), own: attention ? part(2 * length, count) : null };
  }

  /** Puts the exact numbers in the place of the rounded ones. @param {string} place @param {number} token */
  async refine(place, token) {
    const { layer, head } = this;
    const none = Promise.resolve(null);
    const asked = [
      this.exact ? none : this.source.exact({ layer, head }),
      this.setup.attention ? this.source.exact({ layer, head, index: token }) : none,
    ];
    const [both, own] = await Promise.all(asked).catch(() => [null, null]);
    if (place !== this.place || token !== this.token) return;
    if (both) {
      Object.assign(this.data, { queries: both.subarray(0, both.length / 2), keys: both.subarray(both.length / 2) });
      this.exact = true;
    }
    if (own) this.data.own?.set(own, token * this.setup.tokens.length);
    this.meet();
  }

  meet() {
    const count = this.setup.tokens.length;
    this.met = meeting(this.data, this.token, this.setup);
    this.own = this.data.own?.subarray(this.token * count, (this.token + 1) * count);
    this.draw();
    this.tell();
  }

  draw() {
    if (this.loaded) this.stage.show(this.data, this.met, this.own, this.token);
  }

  /** @param {[number, number | null] | null} place @param {boolean} byKey */
  point(place, byKey) {
    if (place?.join() === this.stage.place?.join()) return;
    this.stage.mark(place, byKey);
    this.tell();
    if (byKey) this.frame.say();
  }

  tell() {
    const { met, own } = this;
    this.frame.readout.textContent = this.inWords();
    const difference = own ? Math.max(...own.map((value, key) => Math.abs(value - met.weights[key]))) : 0;
    const words = own ? `; the model’s own differ by at most ${short(difference)}` : "";
    const kind = this.exact ? "exact numbers" : "numbers rounded to 8 bits";
    this.frame.status.textContent = `${counted(this.setup.width, "number")} a token, ${kind}${words}`;
    this.root.dataset.exact = String(this.exact);
    this.frame.refreshTable();
  }

  inWords() {
    const { tokens, width } = this.setup;
    const { logits, weights, products, query } = this.met;
    const digits = this.exact ? shortest : short;
    if (!this.stage.place) {
      const best = weights.indexOf(Math.max(...weights));
      return `${named(tokens, this.token)} looks most at ${named(tokens, best)}: q·k/√${width} = ${short(logits[best])}, softmax ${short(weights[best])}.`;
    }
    const [key, dimension] = this.stage.place;
    const sum = `${named(tokens, this.token)} and ${named(tokens, key)}: q·k/√${width} = ${short(logits[key])}, softmax ${short(weights[key])}`;
    if (dimension === null) return `${sum}.`;
    const at = key * width + dimension;
    return `Number ${dimension}: q ${digits(query[dimension])} × k ${digits(this.data.keys[at])} = ${short(products[at])}. ${sum}.`;
  }

  tabulate() {
    const { tokens, width } = this.setup;
    const { exact, met, own } = this;
    const caption = `Layer ${this.layer}, head ${this.head}: ${named(tokens, this.token)} and every key (${exact ? "exact" : "rounded to 8 bits"})`;
    const rows = tokens.map((token, key) => [
      token, written(met.logits[key], exact), written(met.weights[key], exact), ...(own ? [written(own[key], exact)] : []),
    ]); // prettier-ignore
    const place = this.stage.place?.[0] ?? 0;
    const products = range(width).map((i) => [
      String(i), ...[met.query[i], this.data.keys[place * width + i], met.products[place * width + i]].map((value) => written(value, exact)),
    ]); // prettier-ignore
    return make("div", {},
      table(caption, ["Key", `q·k/√${width}`, "Softmax", ...(own ? ["Model’s"] : [])], rows),
      table(`The ${width} numbers with ${named(tokens, place)}`, ["Number", "q", "k", "q × k"], products)); // prettier-ignore
  }
}

/** @type {ShowView} */
async function showView(root, setup, source) {
  const view = new NeuronView(root, setup, source);
  const first = view.change({});
  await (setup.exact ? source.part(`head/${setup.layer}/${setup.head}`) : first);
  return {
    redraw: () => view.draw(),
    chosen: () => ({ layer: view.layer, head: view.head, token: view.token }),
    close: () => view.frame.close(),
  };
}

export { showView };
