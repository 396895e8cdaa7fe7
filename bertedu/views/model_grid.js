// The grid of the model view: a thumbnail for every head, and values or labels to sort and color by.

import { make, rovingTabindex } from "./elements.js";
import { PALETTE, context2d } from "./theme.js";
import { range, short } from "./numbers.js";

const SCALES = {
  light: { unsigned: ["#ffffff", "#c6dbef", "#6baed6", "#2171b5", "#08306b"], signed: ["#b34700", "#ffffff", "#00518c"] },
  dark: { unsigned: ["#1b2027", "#17395c", "#2f6ea5", "#6cb4ee", "#e2f2ff"], signed: ["#ff9a63", "#1b2027", "#6cb4ee"] },
};
const VALUE_COLORS = ["#00204d", "#414d6b", "#7c7b78", "#b9ac70", "#ffe945"]; // cividis: Nuñez, Anderton and Renslow 2018

/** @typedef {"light" | "dark"} Theme */
/** @typedef {[number, number]} HeadIndex layer and head */

/** 256 colors, from the first of `stops` to the last, as [red, green, blue]. @param {string[]} stops */
function ramp(stops) {
  const colors = stops.map((stop) => [1, 3, 5].map((at) => parseInt(stop.slice(at, at + 2), 16)));
  return range(256).map((level) => {
    const position = (level / 255) * (colors.length - 1);
    const from = Math.min(Math.floor(position), colors.length - 2);
    const fraction = position - from;
    return colors[from].map((value, i) => Math.round(value + (colors[from + 1][i] - value) * fraction));
  });
}

/** The colors of weights. @param {Theme} theme @param {boolean} signed */
function scale(theme, signed) {
  return ramp(SCALES[theme][signed ? "signed" : "unsigned"]);
}

/**
 * Paints `levels` (0 to 255, row by row) into a canvas of `side` by `side`.
 * @param {HTMLCanvasElement} canvas
 * @param {Uint8Array} levels
 * @param {number} side
 * @param {number[][]} colors
 */
function paintLevels(canvas, levels, side, colors) {
  canvas.width = side;
  canvas.height = side;
  const context = context2d(canvas);
  const image = context.createImageData(side, side);
  const pixels = new Uint32Array(image.data.buffer); // one number per pixel, because a long text has a quarter of a million
  const packed = new Uint32Array(Uint8Array.from(colors.flatMap((color) => [...color, 255])).buffer);
  levels.forEach((level, i) => (pixels[i] = packed[level]));
  context.putImageData(image, 0, 0);
}

/** The value or label of each head: its text, color and order. */
class Values {
  /** @param {ModelSetup} setup */
  constructor({ values, valuesName }) {
    this.rows = values;
    this.name = valuesName;
    const all = (values ?? []).flat();
    const numbers = all.filter((value) => typeof value === "number");
    const labels = all.filter((value) => typeof value === "string");
    this.labels = labels.length ? [...new Set(labels)].sort((a, b) => a.localeCompare(b)) : null;
    this.minimum = numbers.length ? Math.min(...numbers) : 0;
    this.maximum = numbers.length ? Math.max(...numbers) : 0;
    this.ramp = ramp(VALUE_COLORS);
  }

  /** @param {number} layer @param {number} head */
  of(layer, head) {
    return this.rows?.[layer][head] ?? null;
  }

  /** @param {number | string | null} value */
  format(value) {
    if (value === null) return "none";
    return typeof value === "string" ? value : short(value);
  }

  /** @param {number | string | null} value @param {Theme} theme */
  color(value, theme) {
    if (value === null) return "transparent";
    if (typeof value === "string") return PALETTE[theme][(this.labels ?? []).indexOf(value) % 7];
    const fraction = this.maximum > this.minimum ? (value - this.minimum) / (this.maximum - this.minimum) : 0.5;
    return `rgb(${this.ramp[Math.round(fraction * 255)].join()})`;
  }

  /** Sorts heads: labels by name, numbers from the largest, heads without a value last. @param {HeadIndex[]} heads */
  sorted(heads) {
    return [...heads].sort((a, b) => {
      const [one, other] = [this.of(...a), this.of(...b)];
      if (one === null || other === null) return Number(one === null) - Number(other === null);
      return typeof one === "string" || typeof other === "string" ? String(one).localeCompare(String(other)) : other - one;
    });
  }

  /** @param {Theme} theme */
  legend(theme) {
    const marks = this.labels ?? [this.minimum, (this.minimum + this.maximum) / 2, this.maximum];
    return marks.map((value) => {
      const swatch = make("span", { class: "be-chip" });
      swatch.style.background = this.color(value, theme);
      return make("span", { class: "be-legend-item" }, swatch, make("span", { text: this.format(value) }));
    });
  }
}

/** The grid of thumbnails. */
class Grid {
  /**
   * @param {ModelSetup} setup
   * @param {Values} values
   * @param {(layer: number, head: number) => void} choose
   */
  constructor(setup, values, choose) {
    this.setup = setup;
    this.values = values;
    /** @type {HeadIndex[]} */
    this.heads = setup.layers.flatMap((layer) => range(setup.heads).map((head) => /** @type {HeadIndex} */ ([layer, head])));
    this.element = make("div", { class: "be-grid", role: "group", "aria-label": "Heads, one row per layer" });
    this.element.style.setProperty("--be-heads", String(setup.heads));
    this.cells = this.heads.map((index) => this.cell(index, choose));
  }

  /** @param {HeadIndex} index @param {(layer: number, head: number) => void} choose */
  cell([layer, head], choose) {
    const canvas = make("canvas", { class: "be-thumb", "aria-hidden": "true" });
    const bar = make("span", { class: "be-bar" });
    const value = this.values.rows ? `, ${this.values.name} ${this.values.format(this.values.of(layer, head))}` : "";
    const label = `Layer ${layer}, head ${head}${value}`;
    const caption = make("span", { class: "be-caption", text: `${layer}·${head}` });
    const attributes = { type: "button", class: "be-cell", "aria-pressed": "false", "aria-label": label, title: label };
    const button = make("button", attributes, canvas, bar, caption);
    button.addEventListener("click", () => choose(layer, head));
    return { layer, head, button, canvas, bar };
  }

  /** Arranges the thumbnails in rows per layer, or sorted by value with captions. @param {boolean} byValue */
  arrange(byValue) {
    const { heads, layers } = this.setup;
    /** @type {(text: number | string) => HTMLElement} */
    const number = (text) => make("span", { class: "be-number-label", "aria-hidden": "true", text: String(text) });
    const sorted = byValue ? this.values.sorted(this.heads) : this.heads;
    const buttons = sorted.map((index) => this.cells[this.heads.indexOf(index)].button);
    const rows = layers.flatMap((layer, row) => [number(layer), ...buttons.slice(row * heads, (row + 1) * heads)]);
    this.element.classList.toggle("be-sorted", byValue);
    this.element.replaceChildren(...(byValue ? buttons : [number(""), ...range(heads).map(number), ...rows]));
    rovingTabindex(buttons, heads);
  }

  /** @param {Uint8Array} bytes @param {Theme} theme */
  paint(bytes, theme) {
    const { side, heads, signed } = this.setup;
    const colors = scale(theme, signed);
    const count = bytes.length / (side * side + 4); // four bytes of scale and an image per head
    for (const { layer, head, canvas, bar } of this.cells) {
      const start = 4 * count + (layer * heads + head) * side * side;
      paintLevels(canvas, bytes.subarray(start, start + side * side), side, colors);
      bar.style.background = this.values.rows ? this.values.color(this.values.of(layer, head), theme) : "";
    }
    this.element.classList.toggle("be-valued", Boolean(this.values.rows));
  }

  /** @param {number} layer @param {number} head */
  mark(layer, head) {
    for (const cell of this.cells) {
      cell.button.setAttribute("aria-pressed", String(cell.layer === layer && cell.head === head));
    }
  }
}

export { Grid, Values, paintLevels, scale };
