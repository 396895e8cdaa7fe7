// Model view: a thumbnail for every head, a row per layer; and one head large, with a readout of its cells.

import { group, make, radioBar, table, uniqueId } from "./elements.js";
import { Frame } from "./frame.js";
import { clipped, context2d, oncePerFrame, sharp, styleProperty, themeOf } from "./theme.js";
import { Grid, Values, paintLevels, scale } from "./model_grid.js";
import { counted, numberCell, quoted, short, shortest, unpack } from "./numbers.js";

const LABEL_FONT = '12px system-ui, "DejaVu Sans", sans-serif';
const MIN_LABELED_ROW = 13; // pixels that a row needs for its label

/** @typedef {[number, number]} MapCell query and key */

/** One head as a large heat map; pointer and arrow keys select a cell. */
class HeadMap {
  /**
   * @param {HTMLElement} root
   * @param {ModelSetup} setup
   * @param {(cell: MapCell | null, byKey?: boolean) => void} onCell
   */
  constructor(root, setup, onCell) {
    this.root = root;
    this.setup = setup;
    this.onCell = onCell;
    /** @type {MapCell | null} */
    this.cell = null;
    /** @type {Float32Array | null} */
    this.weights = null;
    this.edge = 1; // pixels to the first cell
    this.size = 1; // pixels of a cell
    /** @type {{weights: Float32Array | null, theme: string}} */
    this.rendered = { weights: null, theme: "" };
    this.canvas = make("canvas", { class: "be-map", "aria-hidden": "true" });
    const hint = make("span", { class: "be-hidden", id: uniqueId("hint"), text: "Use the arrow keys to move between cells." });
    const attributes = { class: "be-map-room", role: "group", tabindex: 0, "aria-describedby": hint.id };
    this.element = make("div", attributes, this.canvas, hint);
    this.image = document.createElement("canvas");
    this.element.addEventListener("pointermove", (event) => this.onCell(this.under(event)));
    this.element.addEventListener("pointerdown", (event) => this.onCell(this.under(event)));
    this.element.addEventListener("pointerleave", () => document.activeElement !== this.element && this.onCell(null));
    this.element.addEventListener("keydown", (event) => this.key(event));
    this.element.addEventListener("blur", () => this.onCell(null));
    this.drawSoon = oncePerFrame(() => this.draw());
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    /** @type {Record<string, MapCell>} */
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (event.key === "Escape") return this.onCell(null);
    if (!(event.key in steps)) return;
    event.preventDefault();
    const [row, column] = this.cell ?? [0, 0];
    const [down, right] = this.cell ? steps[event.key] : [0, 0];
    this.onCell([this.inside(row + down), this.inside(column + right)], true);
  }

  /** @param {number} at */
  inside(at) {
    return Math.max(0, Math.min(this.setup.tokens.length - 1, at));
  }

  /** @param {PointerEvent} event @returns {MapCell | null} */
  under(event) {
    const box = this.canvas.getBoundingClientRect();
    const row = Math.floor((event.clientY - box.top - this.edge) / this.size);
    const column = Math.floor((event.clientX - box.left - this.edge) / this.size);
    return this.inside(row) === row && this.inside(column) === column ? [row, column] : null;
  }

  /** @param {Float32Array} weights */
  show(weights) {
    this.weights = weights;
    this.drawSoon();
  }

  /** Renders the weights as an image with one pixel per cell, in the theme's colors. @param {Float32Array} weights */
  render(weights) {
    const { tokens, signed } = this.setup;
    const theme = themeOf(this.root);
    let largest = 0;
    for (const weight of weights) largest = Math.max(largest, Math.abs(weight));
    const levels = Uint8Array.from(weights, (weight) => {
      const relative = weight / (largest || 1);
      return Math.round(signed ? 127.5 + 127.5 * relative : 255 * relative);
    });
    paintLevels(this.image, levels, tokens.length, scale(theme, signed));
    this.rendered = { weights, theme };
  }

  draw() {
    const width = this.element.clientWidth;
    const { weights } = this;
    if (!weights || !width) return;
    if (this.rendered.weights !== weights || this.rendered.theme !== themeOf(this.root)) this.render(weights);
    const count = this.setup.tokens.length;
    const room = this.labelRoom();
    const labeled = (width - room) / count >= MIN_LABELED_ROW;
    this.edge = labeled ? room : 1;
    this.size = Math.min(44, (width - this.edge - 1) / count);
    const side = this.edge + this.size * count + 1;
    const context = sharp(this.canvas, side, side);
    context.imageSmoothingEnabled = this.size < 1;
    context.drawImage(this.image, this.edge, this.edge, this.size * count, this.size * count);
    context.strokeStyle = styleProperty(this.root, "--be-edge");
    context.lineWidth = 1;
    context.strokeRect(this.edge - 0.5, this.edge - 0.5, this.size * count + 1, this.size * count + 1);
    if (labeled) this.labels(context);
    if (this.cell) this.cross(context, this.cell, count);
  }

  /** Pixels for the longest label, with an upper limit. */
  labelRoom() {
    const context = context2d(this.canvas);
    context.font = LABEL_FONT;
    const widths = this.setup.tokens.length > 64 ? [0] : this.setup.tokens.map((token) => context.measureText(token).width);
    return Math.min(96, Math.ceil(Math.max(...widths)) + 12);
  }

  /** @param {CanvasRenderingContext2D} context */
  labels(context) {
    context.font = LABEL_FONT;
    context.textBaseline = "middle";
    this.setup.tokens.forEach((token, index) => {
      const at = this.edge + (index + 0.5) * this.size;
      context.fillStyle = styleProperty(this.root, this.cell?.includes(index) ? "--be-text" : "--be-muted");
      context.textAlign = "right";
      context.fillText(clipped(context, token, this.edge - 10), this.edge - 6, at);
      context.save();
      context.translate(at, this.edge - 6);
      context.rotate(-Math.PI / 2);
      context.textAlign = "left";
      context.fillText(clipped(context, token, this.edge - 10), 0, 0);
      context.restore();
    });
  }

  /** @param {CanvasRenderingContext2D} context @param {MapCell} cell @param {number} count */
  cross(context, [row, column], count) {
    const [length, size] = [count * this.size, Math.max(2, this.size)];
    context.strokeStyle = styleProperty(this.root, "--be-minus");
    context.lineWidth = 1.5;
    context.strokeRect(this.edge, this.edge + row * this.size, length, size);
    context.strokeRect(this.edge + column * this.size, this.edge, size, length);
  }
}

class ModelView {
  /** @param {HTMLElement} root @param {ModelSetup} setup @param {Source} source */
  constructor(root, setup, source) {
    this.root = root;
    this.setup = setup;
    this.source = source;
    this.layer = setup.layer;
    this.head = setup.head;
    this.weights = new Float32Array(setup.tokens.length ** 2);
    /** @type {Float32Array | null} */
    this.exact = null; // the row under the pointer
    this.exactTimer = 0;
    this.painted = "";
    root.classList.add("be-model-view"); // the scope of its style sheet
    this.values = new Values(setup);
    this.frame = new Frame(root, setup, "Model view", () => this.tabulate());
    this.grid = new Grid(setup, this.values, (layer, head) => this.choose(layer, head, true));
    this.map = new HeadMap(root, setup, (cell, byKey) => this.point(cell, byKey));
    this.rows = make("p", { class: "be-label be-rows", text: "Rows are layers, columns are heads" });
    this.heading = make("p", { class: "be-subtitle" });
    const large = make("div", { class: "be-large" }, this.heading, this.map.element);
    const small = make("div", { class: "be-grid-room" }, this.rows, this.grid.element);
    this.frame.body.append(make("div", { class: "be-model" }, small, large));
    this.legend = make("span", { class: "be-legend" });
    if (setup.values) this.frame.controls.append(this.orders());
    else this.frame.controls.remove();
    this.grid.arrange(false);
  }

  orders() {
    const { name } = this.values;
    /** @type {(order: string) => void} */
    const change = (order) => {
      const byValue = order === "value";
      this.grid.arrange(byValue);
      this.rows.textContent = byValue ? `Layer·head, sorted by ${name}` : "Rows are layers, columns are heads";
      this.frame.announce(byValue ? `Heads sorted by ${name}` : "Heads sorted by layer");
    };
    const bar = radioBar("order", [["layer", "By layer"], ["value", `By ${name}`]], "layer", change);
    return make("div", { class: "be-row" }, group("Order", bar), group(name, this.legend));
  }

  /** @param {number} layer @param {number} head @param {boolean} announce */
  async choose(layer, head, announce) {
    this.layer = layer;
    this.head = head;
    this.grid.mark(layer, head);
    const { length } = this.setup.tokens;
    const bytes = await this.source.part(`head/${layer}/${head}`);
    if (layer !== this.layer || head !== this.head) return; // another one was selected meanwhile
    this.weights = unpack(bytes, length, length);
    const value = this.values.rows ? ` · ${this.values.name} ${this.values.format(this.values.of(layer, head))}` : "";
    this.heading.textContent = `Layer ${layer}, head ${head}${value}`;
    this.map.element.setAttribute("aria-label", `Attention weights of layer ${layer}, head ${head}`);
    this.map.show(this.weights);
    this.point(null);
    if (announce) this.frame.announce(`${this.heading.textContent}. ${this.frame.readout.textContent}`);
  }

  /** @param {MapCell | null} cell */
  point(cell, byKey = false) {
    if (cell && cell.join() === this.map.cell?.join()) return;
    this.map.cell = cell;
    this.exact = null;
    this.updateReadout(byKey);
    clearTimeout(this.exactTimer);
    if (cell && this.setup.exact) this.exactTimer = setTimeout(() => this.fetchExact(cell, byKey), 25);
  }

  /** @param {MapCell} cell @param {boolean} byKey */
  async fetchExact(cell, byKey) {
    const { layer, head } = this;
    const row = await this.source.exact({ layer, head, index: cell[0] }).catch(() => null);
    if (!row || cell !== this.map.cell || layer !== this.layer || head !== this.head) return;
    this.exact = row;
    this.updateReadout(byKey);
  }

  /** @param {boolean} byKey */
  updateReadout(byKey) {
    this.frame.readout.textContent = this.describe();
    this.root.dataset.exact = String(Boolean(this.exact));
    this.map.drawSoon();
    if (byKey) this.frame.announce();
    this.frame.refreshTable();
  }

  describe() {
    const { tokens, topKeys, topWeights } = this.setup;
    const { layer, head } = this;
    if (!this.map.cell) {
      const weight = short(topWeights[layer][head]);
      return `Key with the largest mean weight: ${quoted(tokens, topKeys[layer][head])}, ${weight}. Point at a cell for its weight.`;
    }
    const [row, column] = this.map.cell;
    const value = this.exact ? shortest(this.exact[column]) : short(this.weights[row * tokens.length + column]);
    const precision = this.exact ? "exact" : "rounded to 8 bits";
    return `${quoted(tokens, row)} attends to ${quoted(tokens, column)}: ${value} (${precision}).`;
  }

  tabulate() {
    const { tokens, topKeys, topWeights } = this.setup;
    const { values, layer, head } = this;
    const name = values.rows ? [values.name] : [];
    const heads = this.grid.heads.map(([l, n]) => [
      `${l}·${n}`, ...(values.rows ? [values.format(values.of(l, n))] : []), tokens[topKeys[l][n]], short(topWeights[l][n]),
    ]); // prettier-ignore
    const rows = tokens.map((token, row) => {
      const weights = this.weights.subarray(row * tokens.length, (row + 1) * tokens.length);
      const best = weights.reduce((top, weight, i) => (Math.abs(weight) > Math.abs(weights[top]) ? i : top), 0);
      return [token, tokens[best], numberCell(weights[best])];
    });
    return make("div", {},
      table(`Layer ${layer}, head ${head}: largest weight of each query (rounded to 8 bits)`, ["Query", "Key", "Weight"], rows),
      table(`${counted(heads.length, "head")}, as layer·head: largest mean weight`, ["Head", ...name, "Key", "Mean weight"], heads)); // prettier-ignore
  }

  /** The number of heads, and a legend of the thumbnails. @param {string} theme */
  summary(theme) {
    const { layers, heads, signed } = this.setup;
    const color = signed ? "strongest color" : theme === "dark" ? "brightest color" : "darkest color";
    return `${counted(layers.length, "layer")} of ${counted(heads, "head")}; the ${color} of each thumbnail is its largest weight`;
  }

  async paint() {
    const theme = themeOf(this.root);
    if (this.painted !== theme) {
      this.painted = theme;
      this.grid.paint(await this.source.part("thumbnails"), theme);
      if (this.setup.values) this.legend.replaceChildren(...this.values.legend(theme));
      this.frame.status.textContent = this.summary(theme);
    }
    this.map.drawSoon();
  }

  close() {
    this.frame.close();
    clearTimeout(this.exactTimer);
  }
}

/** @type {ShowView} */
async function showView(root, setup, source) {
  const view = new ModelView(root, setup, source);
  await Promise.all([view.choose(setup.layer, setup.head, false), view.paint()]); // a click during loading is handled after both
  return {
    redraw: () => view.paint(),
    choices: () => ({ layer: view.layer, head: view.head }),
    close: () => view.close(),
  };
}

export { showView };
