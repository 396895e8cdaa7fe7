// Head view: a line from query (left) to key (right) for each attention weight.

import { table } from "./elements.js";
import { Frame } from "./frame.js";
import { Ghost } from "./ghost.js";
import { Controls } from "./head_controls.js";
import { Stage } from "./head_stage.js";
import { Choice, Weights, selectLines } from "./lines.js";
import { counted, numberCell, quoted, short, unpack } from "./numbers.js";

const MAX_FOCUS_LINES = 240; // of the token in focus
const EXACT_DELAY = 80; // milliseconds on a token before exact weights are requested; a moving pointer requests none
const MAX_ROWS_IN_TABLE = 200;

/** The head view: draws the lines of the current choice, announces changes, and fills the table. */
class HeadView {
  /**
   * `onChange` is called after every change of choice or focus.
   * @param {HTMLElement} root
   * @param {HeadSetup} setup
   * @param {Attention} attention
   * @param {Choice} choice
   * @param {(choice: Choice) => void} onChange
   * @param {Ghost | null} ghost the weights to compare with
   */
  constructor(root, setup, attention, choice = new Choice(setup), onChange = () => {}, ghost = null) {
    this.root = root;
    this.setup = setup;
    this.attention = attention;
    this.choice = choice;
    this.onChange = onChange;
    this.ghost = ghost;
    /** @type {Float32Array} */
    this.originalLayer = new Float32Array();
    /** @type {Map<number, Promise<Float32Array>>} */
    this.layers = new Map(); // by index
    /** @type {Float32Array | null} */
    this.exact = null; // of the token in focus
    /** @type {Partner[]} */
    this.partners = [];
    /** @type {Float32Array} */
    this.layer = new Float32Array();
    this.weights = new Weights(this.layer, choice);
    this.all = selectLines(this.weights, choice);
    this.previousIndex = 0; // of the layer shown before, in `setup.layers`
    this.prefetchTimer = 0;
    this.exactTimer = 0;
    root.classList.add("be-head-view"); // the scope of its style sheet
    root.id ||= `be-head-${Math.random().toString(36).slice(2)}`;
    this.frame = new Frame(root, setup, "Head view", () => this.tabulate());
    this.controls = new Controls(setup, choice, (changes, message) => this.change(changes, message));
    this.stage = new Stage(root, setup, (focus, byKey) => this.focusOn(focus, byKey));
    this.frame.controls.append(...this.controls.rows);
    this.frame.body.append(this.stage.element);
  }

  /**
   * Applies changes and draws the result; announces `message`.
   * @param {ChoiceChanges} changes
   * @param {string} [message]
   */
  async change(changes, message) {
    Object.assign(this.choice, changes);
    if (changes.layer !== undefined) await this.load();
    const stale = ["layer", "heads", "average", "hide", "rescale"].some((name) => name in changes);
    if (stale) this.updateWeights();
    this.exact = null;
    this.updateLines();
    this.refocus();
    this.onChange(this.choice);
    if (message) this.frame.announce(`${message}. ${this.frame.status.textContent}`);
  }

  /**
   * Selects a layer and heads, in the controls too.
   * @param {number} layer
   * @param {number[]} heads
   * @param {string} message
   */
  choose(layer, heads, message) {
    const selected = new Set(heads);
    this.controls.layer.choose(layer);
    this.controls.press(selected);
    return this.change({ layer, heads: selected }, message);
  }

  async load() {
    const { layer } = this.choice;
    const [weights, original] = await Promise.all([this.weightsOf(layer), this.ghost?.attention.layer(layer)]);
    if (layer !== this.choice.layer) return; // another one was selected meanwhile
    this.layer = weights;
    if (original) this.originalLayer = original;
    this.prefetch();
  }

  /** A promise of a layer's weights [N, T, T]; the current layer and its neighbors are cached. @param {number} layer */
  weightsOf(layer) {
    const cached = this.layers.get(layer);
    if (cached) return cached;
    const promise = this.attention.layer(layer);
    promise.catch(() => this.layers.delete(layer)); // so that the next call fetches it again
    this.layers.set(layer, promise);
    return promise;
  }

  /** Fetches the neighboring layers after the drawing, first the one in the direction of the last change. */
  prefetch() {
    clearTimeout(this.prefetchTimer);
    this.prefetchTimer = setTimeout(async () => {
      const { layer } = this.choice;
      const index = this.setup.layers.indexOf(layer);
      const step = index < this.previousIndex ? -1 : 1;
      this.previousIndex = index;
      const near = [index, index + step, index - step].map((at) => this.setup.layers[at]);
      [...this.layers.keys()].filter((other) => !near.includes(other)).forEach((other) => this.layers.delete(other));
      for (const next of near) {
        if (layer === this.choice.layer && next !== undefined) await this.weightsOf(next).catch(() => {});
      }
    }, 20);
  }

  updateWeights() {
    this.weights = new Weights(this.layer, this.choice);
    this.ghost?.setLayer(this.originalLayer, this.choice);
    if (this.ghost) this.controls.markOff(this.ghost.off(this.choice.layer));
    this.stage.setTokens(this.weights.shown);
    const { focus } = this.choice;
    if (focus && !this.weights.shown.includes(focus.index)) this.choice.focus = null;
  }

  updateLines() {
    this.all = selectLines(this.weights, this.choice);
    this.ghost?.updateLines(this.weights, this.choice);
    const { lines, largest, possible } = this.all;
    const parts = [];
    if (!this.choice.heads.size) parts.push("No head is selected: click one of the numbers above.");
    else if (!possible) parts.push("No weight is that large: move “Min. weight” to the left.");
    else {
      parts.push(lines.length < possible ? `The ${lines.length.toLocaleString("en")} strongest of ${counted(possible, "line")}` : counted(possible, "line"));
      parts.push(`the largest weight is ${this.setup.signed ? "±" : ""}${short(largest)}`);
    }
    const off = this.choice.sortedHeads().filter((head) => this.ghost?.off(this.choice.layer).has(head));
    if (off.length) parts.push(`${off.length === 1 ? `head ${off[0]} is` : `${off.length} heads are`} switched off and gray`);
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

  /** Draws the focus with the available weights, and requests its exact weights. */
  refocus(byKey = false) {
    this.stage.mark(this.choice.focus, byKey);
    this.draw(byKey);
    clearTimeout(this.exactTimer);
    const { focus, layer } = this.choice;
    if (focus && this.setup.exact) this.exactTimer = setTimeout(() => this.fetchExact(focus, layer, byKey), EXACT_DELAY);
  }

  /** @param {Focus} focus @param {number} layer @param {boolean} byKey */
  async fetchExact(focus, layer, byKey) {
    const question = { layer, ...focus };
    const both = Promise.all([this.attention.exact(question), this.ghost?.attention.exact(question) ?? null]);
    const [exact, original] = await both.catch(() => [null, null]);
    if (!exact || focus !== this.choice.focus || layer !== this.choice.layer) return;
    this.exact = exact;
    if (this.ghost) this.ghost.exact = original;
    this.draw(byKey);
  }

  draw(byKey = false) {
    this.controls.paint(this.root);
    const { focus } = this.choice;
    this.partners = focus ? this.weights.partners(focus, this.exact, this.choice) : [];
    if (this.ghost && !this.exact) this.ghost.exact = null;
    this.ghost?.focusOn(focus, this.choice);
    const ghost = this.ghost?.drawing(focus, this.partners, this.choice);
    this.stage.draw({ ...(focus ? this.focused(focus) : { ...this.all, series: this.weights.series }), ghost });
    this.frame.readout.textContent = this.describe();
    Object.assign(this.root.dataset, { exact: String(Boolean(this.exact)), layer: this.choice.layer });
    if (focus && byKey) this.frame.announce();
    this.frame.refreshTable();
  }

  /** The lines of one token, and its mean weights over the heads. @param {Focus} focus */
  focused({ side, index }) {
    const partners = this.partners;
    const strengths = Float32Array.from(partners.flatMap(({ weights }) => weights ?? []), Math.abs).sort();
    const minimum = Math.max(this.choice.minimum, strengths.at(-MAX_FOCUS_LINES) ?? 0);
    const lines = partners.flatMap(({ index: other, weights }) => {
      const [query, key] = side === "query" ? [index, other] : [other, index];
      const all = (weights ?? []).map((value, series) => ({ strength: Math.abs(value), series, query, key, value }));
      return all.filter(({ strength }) => strength && strength >= minimum);
    });
    lines.sort((a, b) => a.strength - b.strength);
    const drawn = lines.slice(-MAX_FOCUS_LINES);
    return { lines: drawn, largest: drawn.at(-1)?.strength ?? 1, partners, side, series: this.weights.series };
  }

  /** The precision of the weights of the focus. */
  get precision() {
    return this.exact ? "exact" : "rounded to 8 bits";
  }

  describe() {
    const { focus, average, heads } = this.choice;
    const { tokens, signed } = this.setup;
    if (!focus) return "Point at a token, or move to one with Tab and the arrow keys, to see its attention weights.";
    const best = this.partners.flatMap((partner, at) => {
      const { index, mean } = partner;
      return mean === null ? [] : [{ index, mean, was: this.ghost?.was(partner, at) ?? null }];
    });
    best.sort((a, b) => Math.max(Math.abs(b.mean), Math.abs(b.was ?? 0)) - Math.max(Math.abs(a.mean), Math.abs(a.was ?? 0)));
    const what = focus.side === "query" ? "attends to" : "receives attention from";
    const of = heads.size > 1 ? ` (mean of ${heads.size} heads)` : average ? "" : heads.size ? ` (head ${[...heads][0]})` : "";
    const list = best.slice(0, 5).map(({ index, mean, was }) => `${quoted(tokens, index)} ${short(mean)}${was === null ? "" : ` (was ${short(was)})`}`);
    if (!list.length) return `${quoted(tokens, focus.index)} ${what} none of the tokens shown.`;
    return `${quoted(tokens, focus.index)} ${what} ${list.join(", ")}${best.length > 5 ? " …" : ""}${of}; ${this.precision}${signed ? ", signed" : ""}.`;
  }

  tabulate() {
    const { tokens } = this.setup;
    const { focus, layer } = this.choice;
    const names = this.weights.series.map((head) => (head === null ? "Average" : `Head ${head}`));
    if (focus) {
      const caption = `Layer ${layer}: weights of the ${focus.side} ${quoted(tokens, focus.index)} (${this.precision})`;
      const rows = this.partners.flatMap(({ index, weights }, at) => {
        const all = [...(weights ?? []), ...((weights && this.ghost?.partners[at]?.weights) ?? [])];
        return weights ? [[tokens[index], ...all.map((value) => numberCell(value, Boolean(this.exact)))]] : [];
      });
      const originals = this.ghost ? names.map((name) => `${name}, original`) : [];
      return table(caption, [focus.side === "query" ? "Key" : "Query", ...names, ...originals], rows);
    }
    const strongest = this.all.lines.slice(-MAX_ROWS_IN_TABLE).reverse();
    const count = `${strongest.length.toLocaleString("en")} of ${counted(this.all.possible, "line")}`;
    const caption = `Layer ${layer}: ${count}, largest weight first (rounded to 8 bits)`;
    const original = this.ghost?.weights;
    const rows = strongest.map(({ series, query, key, value }) => [
      tokens[query], tokens[key], names[series], numberCell(value),
      ...(original ? [numberCell(original.values[series][query * original.size + key])] : []),
    ]); // prettier-ignore
    return table(caption, ["Query", "Key", "Head", "Weight", ...(original ? ["Original weight"] : [])], rows);
  }

  close() {
    this.frame.close();
    clearTimeout(this.prefetchTimer);
    clearTimeout(this.exactTimer);
  }
}

/** The `Attention` of a source whose parts are layers. @param {Source} source @param {HeadSetup} setup @returns {Attention} */
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
  const choices = () => ({ layer: view.choice.layer, chosen: view.choice.sortedHeads() });
  return { redraw: () => view.draw(), choices, close: () => view.close() };
}

export { HeadView, showView };
