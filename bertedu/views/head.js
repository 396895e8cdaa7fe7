// Head view: lines from the tokens that look (left) to those that are looked at (right), one for each weight.

import { table } from "./elements.js";
import { Frame } from "./frame.js";
import { Controls } from "./head_controls.js";
import { Stage } from "./head_stage.js";
import { Choice, Weights, linesOf } from "./lines.js";
import { counted, named, short, unpack, written } from "./numbers.js";

const MAX_OF_ONE = 240; // lines of the token in focus
const REST = 80; // milliseconds on one token before its exact numbers are asked for: a moving pointer asks for none
const MAX_ROWS_IN_TABLE = 200;

/** Everything together: from a choice to what is drawn, said and tabled. */
class HeadView {
  /**
   * `onChange` is told of every new choice and focus, for what else the page shows.
   * @param {HTMLElement} root
   * @param {HeadSetup} setup
   * @param {Attention} attention
   * @param {Choice} choice
   * @param {(choice: Choice) => void} onChange
   */
  constructor(root, setup, attention, choice = new Choice(setup), onChange = () => {}) {
    this.root = root;
    this.setup = setup;
    this.attention = attention;
    this.choice = choice;
    this.onChange = onChange;
    /** @type {Map<number, Promise<Float32Array>>} */
    this.ready = new Map(); // layers
    /** @type {Float32Array | null} */
    this.exact = null; // of the token in focus
    /** @type {Partner[]} */
    this.line = [];
    /** @type {Float32Array} */
    this.layer = new Float32Array();
    this.weights = new Weights(this.layer, choice);
    this.all = linesOf(this.weights, choice);
    this.came = 0; // where the layer before stands in `setup.layers`
    this.next = 0;
    this.asking = 0;
    root.classList.add("be-head-view"); // what its own style sheet begins with
    root.id ||= `be-head-${Math.random().toString(36).slice(2)}`;
    this.frame = new Frame(root, setup, "Head view", () => this.tabulate());
    this.controls = new Controls(setup, choice, (changes, words) => this.change(changes, words));
    this.stage = new Stage(root, setup, (focus, byKey) => this.focusOn(focus, byKey));
    this.frame.controls.append(...this.controls.rows);
    this.frame.body.append(this.stage.element);
  }

  /**
   * Takes over what the reader chose and draws it.
   * @param {ChoiceChanges} changes
   * @param {string} [words]
   */
  async change(changes, words) {
    Object.assign(this.choice, changes);
    if (changes.layer !== undefined) await this.load();
    const stale = ["layer", "heads", "average", "hide", "rescale"].some((name) => name in changes);
    if (stale) this.weigh();
    this.exact = null;
    this.collect();
    this.refocus();
    this.onChange(this.choice);
    if (words) this.frame.say(`${words}. ${this.frame.status.textContent}`);
  }

  /**
   * Takes over what was chosen elsewhere in the page, and shows it in the controls too.
   * @param {number} layer
   * @param {number[]} heads
   * @param {string} words
   */
  choose(layer, heads, words) {
    const chosen = new Set(heads);
    this.controls.layer.choose(layer);
    this.controls.press(chosen);
    return this.change({ layer, heads: chosen }, words);
  }

  async load() {
    const { layer } = this.choice;
    const weights = await this.weightsOf(layer);
    if (layer !== this.choice.layer) return; // another was chosen meanwhile
    this.layer = weights;
    this.fetchNext();
  }

  /** A layer's weights [N, T, T], coming or here; those of this one and its neighbours are kept. @param {number} layer */
  weightsOf(layer) {
    const known = this.ready.get(layer);
    if (known) return known;
    const coming = this.attention.layer(layer);
    coming.catch(() => this.ready.delete(layer)); // the next try asks again
    this.ready.set(layer, coming);
    return coming;
  }

  /** Neighbouring layers come right after the drawing, the one that the reader is going towards first. */
  fetchNext() {
    clearTimeout(this.next);
    this.next = setTimeout(async () => {
      const { layer } = this.choice;
      const here = this.setup.layers.indexOf(layer);
      const onward = here < this.came ? -1 : 1;
      this.came = here;
      const near = [here, here + onward, here - onward].map((at) => this.setup.layers[at]);
      [...this.ready.keys()].filter((kept) => !near.includes(kept)).forEach((kept) => this.ready.delete(kept));
      for (const next of near) {
        if (layer === this.choice.layer && next !== undefined) await this.weightsOf(next).catch(() => {});
      }
    }, 20);
  }

  weigh() {
    this.weights = new Weights(this.layer, this.choice);
    this.stage.place(this.weights.shown);
    const { focus } = this.choice;
    if (focus && !this.weights.shown.includes(focus.index)) this.choice.focus = null;
  }

  collect() {
    this.all = linesOf(this.weights, this.choice);
    const { lines, largest, possible } = this.all;
    const parts = [];
    if (!this.choice.heads.size) parts.push("No head is chosen: press one of the numbers above.");
    else if (!possible) parts.push("No weight is that large: move “Weakest” to the left.");
    else {
      parts.push(lines.length < possible ? `The strongest ${lines.length.toLocaleString("en")} of ${counted(possible, "line")}` : counted(possible, "line"));
      parts.push(`the strongest is ${this.setup.signed ? "±" : ""}${short(largest)}`);
    }
    this.frame.status.textContent = parts.join("; ");
  }

  /** @param {Focus | null} focus @param {boolean} byKey */
  focusOn(focus, byKey) {
    const same = focus?.side === this.choice.focus?.side && focus?.index === this.choice.focus?.index;
    if (same && !byKey) return;
    this.choice.focus = focus;
    this.exact = null;
    this.refocus(byKey);
    this.onChange(this.choice);
  }

  /** Draws the focus as it is known now, and asks for its exact numbers. */
  refocus(byKey = false) {
    this.stage.mark(this.choice.focus, byKey);
    this.draw(byKey);
    clearTimeout(this.asking);
    const { focus, layer } = this.choice;
    if (focus && this.setup.exact) this.asking = setTimeout(() => this.askExact(focus, layer, byKey), REST);
  }

  /** @param {Focus} focus @param {number} layer @param {boolean} byKey */
  async askExact(focus, layer, byKey) {
    const exact = await this.attention.exact({ layer, ...focus }).catch(() => null);
    if (!exact || focus !== this.choice.focus || layer !== this.choice.layer) return;
    this.exact = exact;
    this.draw(byKey);
  }

  draw(byKey = false) {
    this.controls.paint(this.root);
    const { focus } = this.choice;
    this.line = focus ? this.weights.line(focus, this.exact, this.choice) : [];
    this.stage.draw(focus ? this.focused(focus) : { ...this.all, series: this.weights.series });
    this.frame.readout.textContent = this.inWords();
    Object.assign(this.root.dataset, { exact: String(Boolean(this.exact)), layer: this.choice.layer });
    if (focus && byKey) this.frame.say();
    this.frame.refreshTable();
  }

  /** Lines of one token only, and the mean of its heads for the numbers. @param {Focus} focus */
  focused({ side, index }) {
    const partners = this.line;
    const strengths = Float32Array.from(partners.flatMap(({ weights }) => weights ?? []), Math.abs).sort();
    const least = Math.max(this.choice.least, strengths.at(-MAX_OF_ONE) ?? 0);
    const lines = partners.flatMap(({ index: other, weights }) => {
      const [query, key] = side === "query" ? [index, other] : [other, index];
      const all = (weights ?? []).map((value, series) => ({ strength: Math.abs(value), series, query, key, value }));
      return all.filter(({ strength }) => strength && strength >= least);
    });
    lines.sort((a, b) => a.strength - b.strength);
    const drawn = lines.slice(-MAX_OF_ONE);
    return { lines: drawn, largest: drawn.at(-1)?.strength ?? 1, partners, side, series: this.weights.series };
  }

  /** How exact the numbers of the focus are. */
  get kind() {
    return this.exact ? "exact" : "rounded to 8 bits";
  }

  inWords() {
    const { focus, average, heads } = this.choice;
    const { tokens, signed } = this.setup;
    if (!focus) return "Point at a token, or go to the tokens with the Tab and arrow keys, for its weights.";
    const best = this.line.flatMap(({ index, mean }) => (mean === null ? [] : [{ index, mean }]));
    best.sort((a, b) => Math.abs(b.mean) - Math.abs(a.mean));
    const what = focus.side === "query" ? "looks at" : "is looked at by";
    const of = heads.size > 1 ? ` (mean of ${heads.size} heads)` : average ? "" : heads.size ? ` (head ${[...heads][0]})` : "";
    const list = best.slice(0, 5).map(({ index, mean }) => `${named(tokens, index)} ${short(mean)}`);
    if (!list.length) return `${named(tokens, focus.index)} ${what} no token that is shown.`;
    return `${named(tokens, focus.index)} ${what} ${list.join(", ")}${best.length > 5 ? " …" : ""}${of}; ${this.kind}${signed ? ", signed" : ""}.`;
  }

  tabulate() {
    const { tokens } = this.setup;
    const { focus, layer } = this.choice;
    const names = this.weights.series.map((head) => (head === null ? "Average" : `Head ${head}`));
    if (focus) {
      const caption = `Layer ${layer}: what ${named(tokens, focus.index)} ${focus.side === "query" ? "looks at" : "is looked at by"} (${this.kind})`;
      const rows = this.line.flatMap(({ index, weights }) =>
        weights ? [[tokens[index], ...weights.map((value) => written(value, Boolean(this.exact)))]] : [],
      );
      return table(caption, ["Token", ...names], rows);
    }
    const strongest = this.all.lines.slice(-MAX_ROWS_IN_TABLE).reverse();
    const count = `${strongest.length.toLocaleString("en")} of ${counted(this.all.possible, "line")}`;
    const caption = `Layer ${layer}: ${count}, strongest first (rounded to 8 bits)`;
    const rows = strongest.map(({ series, query, key, value }) => [tokens[query], tokens[key], names[series], written(value)]);
    return table(caption, ["Looks", "Is looked at", "Head", "Weight"], rows);
  }

  close() {
    this.frame.close();
    clearTimeout(this.next);
    clearTimeout(this.asking);
  }
}

/** The attention in a source whose parts are layers. @param {Source} source @param {HeadSetup} setup @returns {Attention} */
function attentionOf(source, { tokens, heads }) {
  const [rows, columns] = [heads * tokens.length, tokens.length];
  return {
    layer: async (layer) => unpack(await source.part(`layer/${layer}`), rows, columns),
    exact: (question) => source.exact(question),
  };
}

/** @type {ShowView} */
async function showView(root, setup, source) {
  const view = new HeadView(root, setup, attentionOf(source, setup));
  await view.change({ layer: setup.layer });
  const chosen = () => ({ layer: view.choice.layer, chosen: view.choice.chosenHeads() });
  return { redraw: () => view.draw(), chosen, close: () => view.close() };
}

export { HeadView, showView };
