// The stage of the neuron view: a row per key with its elements, the products, the attention logit and the weight.

import { make } from "./elements.js";
import { context2d, oncePerFrame, sharp, styleProperty, themeOf } from "./theme.js";
import { quoted, short } from "./numbers.js";

const PITCH = 24;
const STAGE_HEIGHT = 520;
const SCALES = { light: [[200, 79, 0], [255, 255, 255], [0, 95, 163]], dark: [[255, 154, 99], [27, 32, 39], [108, 180, 238]] };

/** @typedef {[number, number | null]} NeuronCell a key, and a dimension or null */

/**
 * Draws numbers as an image with one pixel each, on a scale from -`limit` to `limit`.
 * @param {Float32Array} values
 * @param {number} width
 * @param {number} limit
 * @param {number[][]} stops
 */
function image(values, width, limit, stops) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = values.length / width;
  const context = context2d(canvas);
  const data = context.createImageData(canvas.width, canvas.height);
  values.forEach((value, i) => {
    const fraction = Math.min(1, Math.abs(value) / (limit || 1));
    const end = stops[value < 0 ? 0 : 2];
    for (let c = 0; c < 3; c += 1) data.data[4 * i + c] = stops[1][c] + (end[c] - stops[1][c]) * fraction;
    data.data[4 * i + 3] = 255;
  });
  context.putImageData(data, 0, 0);
  return canvas;
}

/** @param {Float32Array} values */
function maxAbs(values) {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  return largest;
}

/** The rows, in a window that scrolls. */
class Stage {
  /**
   * @param {HTMLElement} root
   * @param {NeuronSetup} setup
   * @param {(cell: NeuronCell | null, byKey: boolean) => void} onCell
   */
  constructor(root, setup, onCell) {
    this.root = root;
    this.setup = setup;
    this.onCell = onCell;
    /** @type {NeuronCell | null} */
    this.cell = null;
    /** @type {{weights: number[], keys: HTMLCanvasElement, products: HTMLCanvasElement, query: HTMLCanvasElement} | null} */
    this.drawn = null;
    this.canvas = make("canvas", { class: "be-lines", "aria-hidden": "true" });
    const sum = `q·k/√${setup.keyDim}`;
    this.list = make("div", { class: "be-keys", role: "listbox", tabindex: 0, "aria-label": `Keys, with attention logit ${sum} and softmax` });
    this.rows = setup.tokens.map((token, index) => this.row(token, index));
    this.list.append(...this.rows.map(({ element }) => element));
    this.window = make("div", { class: "be-window" }, this.canvas, this.list);
    const height = Math.min(STAGE_HEIGHT, setup.tokens.length * PITCH);
    this.window.style.height = `${height}px`;
    this.list.style.marginTop = `${-height}px`;
    this.query = make("canvas", { class: "be-query-strip", "aria-hidden": "true" });
    this.queryName = make("span", { class: "be-key-name" });
    /** @type {(text: string, title?: string) => HTMLElement} */
    const head = (text, title) => make("span", { class: "be-label", text, title });
    const strips = make("span", { class: "be-strips" }, head("k"), head("q × k"));
    const model = setup.attention ? head("model", "The model’s attention weight") : null;
    const heads = [head("key"), strips, head(sum, "Attention logit (scaled dot product)"), head("softmax"), model];
    const names = make("div", { class: "be-neuron-row be-neuron-head", "aria-hidden": "true" }, ...heads);
    const top = make("div", { class: "be-neuron-row be-neuron-top" }, this.queryName, this.query);
    this.element = make("div", { class: "be-neuron" }, top, names, this.window);
    this.element.classList.toggle("be-with-model", setup.attention);
    this.paintSoon = oncePerFrame(() => this.paint());
    this.listen();
  }

  /** @param {string} token @param {number} index */
  row(token, index) {
    const name = make("span", { class: "be-key-name", text: token });
    const strips = make("span");
    const [logit, weight, model] = ["be-logit", "be-weight", "be-model-weight"].map((name) => make("span", { class: name }));
    const attributes = { class: "be-neuron-row", role: "option", id: `${this.root.id}-key-${index}`, "aria-selected": "false" };
    const element = make("div", attributes, name, strips, logit, weight, this.setup.attention ? model : null);
    return { element, strips, logit, weight, model };
  }

  listen() {
    this.window.addEventListener("scroll", this.paintSoon, { passive: true });
    /** @type {(event: PointerEvent) => void} */
    const over = (event) => this.onCell(this.under(event), false);
    this.list.addEventListener("pointermove", over);
    this.list.addEventListener("pointerdown", over);
    this.list.addEventListener("pointerleave", () => document.activeElement !== this.list && this.onCell(null, false));
    this.list.addEventListener("blur", () => this.onCell(null, false));
    this.list.addEventListener("keydown", (event) => this.key(event));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    /** @type {Record<string, [number, number]>} */
    const steps = { ArrowDown: [1, 0], ArrowUp: [-1, 0], PageDown: [10, 0], PageUp: [-10, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };
    if (event.key === "Escape") return this.onCell(null, true);
    if (!(event.key in steps)) return;
    event.preventDefault();
    const [row, dimension] = this.cell ?? [0, 0];
    const [down, right] = this.cell ? steps[event.key] : [0, 0];
    /** @type {(at: number, count: number) => number} */
    const inside = (at, count) => Math.max(0, Math.min(count - 1, at));
    this.onCell([inside(row + down, this.rows.length), inside((dimension ?? 0) + right, this.setup.keyDim)], true);
  }

  /**
   * The key under the pointer, and the dimension if it is on the strip of the key or of the products.
   * @param {PointerEvent} event
   * @returns {NeuronCell | null}
   */
  under(event) {
    const row = Math.floor((event.clientY - this.list.getBoundingClientRect().top) / PITCH);
    if (row < 0 || row >= this.rows.length) return null;
    const { left, strip, gap } = this.measure();
    const x = event.clientX - this.window.getBoundingClientRect().left - left;
    const at = x >= strip + gap ? x - strip - gap : x;
    return [row, x >= 0 && at >= 0 && at < strip ? Math.floor((at / strip) * this.setup.keyDim) : null];
  }

  /** The position of the strips, in pixels from the window's left. */
  measure() {
    const cell = this.rows[0].strips.getBoundingClientRect();
    const gap = 14;
    return { left: cell.left - this.window.getBoundingClientRect().left, gap, strip: (cell.width - gap) / 2 };
  }

  /**
   * Shows one query of a head: logits and weights as text, vectors as strips.
   * @param {HeadData} head
   * @param {QueryResult} result
   * @param {Float32Array | undefined} modelWeights
   * @param {number} token
   */
  show(head, result, modelWeights, token) {
    const { keyDim, mask } = this.setup;
    const stops = SCALES[themeOf(this.root)];
    const limit = Math.max(maxAbs(head.keys), maxAbs(head.queries));
    this.drawn = {
      weights: result.weights,
      keys: image(head.keys, keyDim, limit, stops),
      products: image(result.products, keyDim, maxAbs(result.products), stops),
      query: image(result.query, keyDim, limit, stops),
    };
    this.queryName.textContent = `q ${quoted(this.setup.tokens, token)}`;
    this.rows.forEach(({ logit, weight, model }, key) => {
      logit.textContent = mask && !mask[key] ? "masked" : short(result.logits[key]);
      weight.textContent = short(result.weights[key]);
      weight.dataset.value = String(result.weights[key]);
      logit.dataset.value = String(result.logits[key]);
      if (modelWeights) model.textContent = short(modelWeights[key]);
    });
    this.paintSoon();
  }

  /** @param {NeuronCell | null} cell @param {boolean} scroll */
  mark(cell, scroll) {
    if (this.cell) this.rows[this.cell[0]].element.setAttribute("aria-selected", "false");
    this.cell = cell;
    if (cell) {
      const { element } = this.rows[cell[0]];
      element.setAttribute("aria-selected", "true");
      this.list.setAttribute("aria-activedescendant", element.id);
      if (scroll) this.reveal(cell[0] * PITCH);
    } else this.list.removeAttribute("aria-activedescendant");
    this.paintSoon();
  }

  /** @param {number} top */
  reveal(top) {
    const { scrollTop, clientHeight } = this.window;
    if (top < scrollTop) this.window.scrollTop = top;
    else if (top + PITCH > scrollTop + clientHeight) this.window.scrollTop = top + PITCH - clientHeight;
  }

  paint() {
    const { drawn } = this;
    if (!drawn || !this.window.clientWidth) return;
    const [width, height] = [this.window.clientWidth, this.window.clientHeight];
    const context = sharp(this.canvas, width, height);
    context.imageSmoothingEnabled = false;
    const { left, strip, gap } = this.measure();
    const scrollTop = this.window.scrollTop;
    const dimensions = this.setup.keyDim;
    const bar = this.rows[0].weight.getBoundingClientRect();
    const barLeft = bar.left - this.window.getBoundingClientRect().left;
    const accent = styleProperty(this.root, "--be-accent");
    const largest = Math.max(...drawn.weights);
    for (let key = Math.floor(scrollTop / PITCH); key < Math.min(this.rows.length, (scrollTop + height) / PITCH); key += 1) {
      const y = key * PITCH - scrollTop;
      context.drawImage(drawn.keys, 0, key, dimensions, 1, left, y + 4, strip, PITCH - 8);
      context.drawImage(drawn.products, 0, key, dimensions, 1, left + strip + gap, y + 4, strip, PITCH - 8);
      context.fillStyle = accent;
      context.globalAlpha = 0.25;
      context.fillRect(barLeft, y + 4, (drawn.weights[key] / largest) * bar.width, PITCH - 8);
      context.globalAlpha = 1;
    }
    const query = sharp(this.query, strip, PITCH - 8);
    query.imageSmoothingEnabled = false;
    query.drawImage(drawn.query, 0, 0, strip, PITCH - 8);
    this.outline(context, query, [left, left + strip + gap], strip, scrollTop);
  }

  /**
   * Outlines the selected dimension in both strips and in the query.
   * @param {CanvasRenderingContext2D} context
   * @param {CanvasRenderingContext2D} query
   * @param {number[]} lefts
   * @param {number} strip
   * @param {number} scrollTop
   */
  outline(context, query, lefts, strip, scrollTop) {
    const [key, dimension] = this.cell ?? [0, null];
    if (dimension === null) return;
    const cell = strip / this.setup.keyDim;
    for (const one of [context, query]) {
      one.strokeStyle = styleProperty(this.root, "--be-text");
      one.lineWidth = 1.5;
    }
    for (const left of lefts) {
      context.strokeRect(left + dimension * cell - 1, key * PITCH - scrollTop + 2, cell + 2, PITCH - 4);
    }
    query.strokeRect(dimension * cell, 0.75, cell, PITCH - 9.5);
  }
}

export { Stage };
