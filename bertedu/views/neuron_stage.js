// The drawing of the neuron view: a row for each key with its numbers, the products, the sum and the weight.

import { make } from "./elements.js";
import { context2d, oncePerFrame, sharp, styled, themeOf } from "./look.js";
import { named, short } from "./numbers.js";

const PITCH = 24;
const STAGE_HEIGHT = 520;
const SCALES = { light: [[200, 79, 0], [255, 255, 255], [0, 95, 163]], dark: [[255, 154, 99], [27, 32, 39], [108, 180, 238]] };

/** @typedef {[number, number | null]} NeuronPlace a key, and a dimension where one is pointed at */

/**
 * Numbers as an image, a pixel each, on a scale from -`most` to `most`.
 * @param {Float32Array} values
 * @param {number} width
 * @param {number} most
 * @param {number[][]} stops
 */
function image(values, width, most, stops) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = values.length / width;
  const context = context2d(canvas);
  const data = context.createImageData(canvas.width, canvas.height);
  values.forEach((value, i) => {
    const share = Math.min(1, Math.abs(value) / (most || 1));
    const end = stops[value < 0 ? 0 : 2];
    for (let c = 0; c < 3; c += 1) data.data[4 * i + c] = stops[1][c] + (end[c] - stops[1][c]) * share;
    data.data[4 * i + 3] = 255;
  });
  context.putImageData(data, 0, 0);
  return canvas;
}

/** @param {Float32Array} values */
function furthest(values) {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
}

/** The rows, in a window that scrolls. */
class Stage {
  /**
   * @param {HTMLElement} root
   * @param {NeuronSetup} setup
   * @param {(place: NeuronPlace | null, byKey: boolean) => void} onPlace
   */
  constructor(root, setup, onPlace) {
    this.root = root;
    this.setup = setup;
    this.onPlace = onPlace;
    /** @type {NeuronPlace | null} */
    this.place = null;
    /** @type {{weights: number[], keys: HTMLCanvasElement, products: HTMLCanvasElement, query: HTMLCanvasElement} | null} */
    this.drawn = null;
    this.canvas = make("canvas", { class: "be-lines", "aria-hidden": "true" });
    const sum = `q·k/√${setup.width}`;
    this.list = make("div", { class: "be-keys", role: "listbox", tabindex: 0, "aria-label": `Keys, with ${sum} and softmax` });
    this.rows = setup.tokens.map((token, index) => this.row(token, index));
    this.list.append(...this.rows.map(({ element }) => element));
    this.window = make("div", { class: "be-window" }, this.canvas, this.list);
    const height = Math.min(STAGE_HEIGHT, setup.tokens.length * PITCH);
    this.window.style.height = `${height}px`;
    this.list.style.marginTop = `${-height}px`;
    this.query = make("canvas", { class: "be-query-strip", "aria-hidden": "true" });
    this.queryName = make("span", { class: "be-key-name" });
    /** @type {(words: string) => HTMLElement} */
    const head = (words) => make("span", { class: "be-label", text: words });
    const strips = make("span", { class: "be-strips" }, head("k"), head("q × k"));
    const heads = [head("key"), strips, head(sum), head("softmax"), setup.attention ? head("model’s") : null];
    const names = make("div", { class: "be-neuron-row be-neuron-head", "aria-hidden": "true" }, ...heads);
    const top = make("div", { class: "be-neuron-row be-neuron-top" }, this.queryName, this.query);
    this.element = make("div", { class: "be-neuron" }, top, names, this.window);
    this.element.classList.toggle("be-with-own", setup.attention);
    this.paintSoon = oncePerFrame(() => this.paint());
    this.listen();
  }

  /** @param {string} token @param {number} index */
  row(token, index) {
    const name = make("span", { class: "be-key-name", text: token });
    const strips = make("span");
    const [logit, weight, own] = ["be-logit", "be-weight", "be-own"].map((kind) => make("span", { class: kind }));
    const attributes = { class: "be-neuron-row", role: "option", id: `${this.root.id}-key-${index}`, "aria-selected": "false" };
    const element = make("div", attributes, name, strips, logit, weight, this.setup.attention ? own : null);
    return { element, strips, logit, weight, own };
  }

  listen() {
    this.window.addEventListener("scroll", this.paintSoon, { passive: true });
    /** @type {(event: PointerEvent) => void} */
    const over = (event) => this.onPlace(this.under(event), false);
    this.list.addEventListener("pointermove", over);
    this.list.addEventListener("pointerdown", over);
    this.list.addEventListener("pointerleave", () => document.activeElement !== this.list && this.onPlace(null, false));
    this.list.addEventListener("blur", () => this.onPlace(null, false));
    this.list.addEventListener("keydown", (event) => this.key(event));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    /** @type {Record<string, [number, number]>} */
    const steps = { ArrowDown: [1, 0], ArrowUp: [-1, 0], PageDown: [10, 0], PageUp: [-10, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };
    if (event.key === "Escape") return this.onPlace(null, true);
    if (!(event.key in steps)) return;
    event.preventDefault();
    const [row, dimension] = this.place ?? [0, 0];
    const [down, right] = this.place ? steps[event.key] : [0, 0];
    /** @type {(at: number, count: number) => number} */
    const inside = (at, count) => Math.max(0, Math.min(count - 1, at));
    this.onPlace([inside(row + down, this.rows.length), inside((dimension ?? 0) + right, this.setup.width)], true);
  }

  /**
   * The key and the dimension under the pointer; in the products' strip or the keys', else only the key.
   * @param {PointerEvent} event
   * @returns {NeuronPlace | null}
   */
  under(event) {
    const row = Math.floor((event.clientY - this.list.getBoundingClientRect().top) / PITCH);
    if (row < 0 || row >= this.rows.length) return null;
    const { left, strip, gap } = this.measure();
    const x = event.clientX - this.window.getBoundingClientRect().left - left;
    const at = x >= strip + gap ? x - strip - gap : x;
    return [row, x >= 0 && at >= 0 && at < strip ? Math.floor((at / strip) * this.setup.width) : null];
  }

  /** Where the strips are, in pixels from the window's left. */
  measure() {
    const cell = this.rows[0].strips.getBoundingClientRect();
    const gap = 14;
    return { left: cell.left - this.window.getBoundingClientRect().left, gap, strip: (cell.width - gap) / 2 };
  }

  /**
   * Takes over a head's numbers and a query's meeting with them, and writes the sums and weights.
   * @param {HeadNumbers} head
   * @param {Meeting} met
   * @param {Float32Array | undefined} own
   * @param {number} token
   */
  show(head, met, own, token) {
    const { width, mask } = this.setup;
    const stops = SCALES[themeOf(this.root)];
    const most = Math.max(furthest(head.keys), furthest(head.queries));
    this.drawn = {
      weights: met.weights,
      keys: image(head.keys, width, most, stops),
      products: image(met.products, width, furthest(met.products), stops),
      query: image(met.query, width, most, stops),
    };
    this.queryName.textContent = `q of ${named(this.setup.tokens, token)}`;
    this.rows.forEach(({ logit, weight, own: model }, key) => {
      logit.textContent = mask && !mask[key] ? "masked" : short(met.logits[key]);
      weight.textContent = short(met.weights[key]);
      weight.dataset.value = String(met.weights[key]);
      logit.dataset.value = String(met.logits[key]);
      if (own) model.textContent = short(own[key]);
    });
    this.paintSoon();
  }

  /** @param {NeuronPlace | null} place @param {boolean} scroll */
  mark(place, scroll) {
    if (this.place) this.rows[this.place[0]].element.setAttribute("aria-selected", "false");
    this.place = place;
    if (place) {
      const { element } = this.rows[place[0]];
      element.setAttribute("aria-selected", "true");
      this.list.setAttribute("aria-activedescendant", element.id);
      if (scroll) this.reveal(place[0] * PITCH);
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
    const scrolled = this.window.scrollTop;
    const dimensions = this.setup.width;
    const bar = this.rows[0].weight.getBoundingClientRect();
    const barLeft = bar.left - this.window.getBoundingClientRect().left;
    const accent = styled(this.root, "--be-accent");
    const largest = Math.max(...drawn.weights);
    for (let key = Math.floor(scrolled / PITCH); key < Math.min(this.rows.length, (scrolled + height) / PITCH); key += 1) {
      const y = key * PITCH - scrolled;
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
    this.frames(context, query, [left, left + strip + gap], strip, scrolled);
  }

  /**
   * Frames the dimension that is pointed at, in both strips and in the query.
   * @param {CanvasRenderingContext2D} context
   * @param {CanvasRenderingContext2D} query
   * @param {number[]} lefts
   * @param {number} strip
   * @param {number} scrolled
   */
  frames(context, query, lefts, strip, scrolled) {
    const [key, dimension] = this.place ?? [0, null];
    if (dimension === null) return;
    const cell = strip / this.setup.width;
    for (const one of [context, query]) {
      one.strokeStyle = styled(this.root, "--be-text");
      one.lineWidth = 1.5;
    }
    for (const left of lefts) {
      context.strokeRect(left + dimension * cell - 1, key * PITCH - scrolled + 2, cell + 2, PITCH - 4);
    }
    query.strokeRect(dimension * cell, 0.75, cell, PITCH - 9.5);
  }
}

export { Stage };
