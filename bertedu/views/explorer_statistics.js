// The explorer's head statistics: a cell per head, a row per layer; the larger the value, the darker the cell.

import { make, panel, rovingTabindex } from "./elements.js";
import { headsOff } from "./explorer_switches.js";
import { numberCell, range, short } from "./numbers.js";

const SHORT_NAMES = [["[CLS]", "cls"], ["[SEP]", "sep"], ["previous", "previous"], ["next", "next"], ["itself", "itself"]];

/** The panel; a click on a cell selects its head. */
class StatisticsPanel {
  /**
   * @param {Description} description
   * @param {number[]} layers
   * @param {(layer: number, head: number) => void} onChoose
   */
  constructor({ measures, num_heads }, layers, onChoose) {
    this.measures = measures;
    this.onChoose = onChoose;
    this.measure = 0;
    this.length = 1;
    /** @type {Record<string, number[][]> | undefined} */
    this.values = undefined;
    /** @type {string[][]} */
    this.labels = [];
    /** @type {[number, number] | null} */
    this.single = null; // the selected head, if it is only one
    /** @type {(layer: number, head: number) => boolean} */
    this.isOff = () => false;
    this.note = make("p", { class: "be-note", hidden: true });
    this.readout = make("p", { class: "be-small-readout" });
    const [low, ramp, high] = [make("span"), make("span", { class: "be-ramp" }), make("span")];
    this.high = high;
    low.textContent = "0";
    const scale = make("span", { class: "be-scale", "aria-hidden": "true" }, low, ramp, high);
    const list = make("select", { class: "be-select", "aria-label": "Statistic shown as color" });
    measures.forEach(([, text], index) => list.append(make("option", { value: index, text })));
    list.addEventListener("change", () => {
      this.measure = list.selectedIndex;
      this.paint();
    });
    this.grid = make("div", { class: "be-heat", role: "group", "aria-label": "Heads, one row per layer" });
    this.grid.style.setProperty("--be-heads", String(num_heads));
    /** @type {(text: number | string) => HTMLElement} */
    const number = (text) => make("span", { class: "be-number-label", "aria-hidden": "true", text: String(text) });
    this.cells = layers.flatMap((layer) => range(num_heads).map((head) => this.cell(layer, head)));
    const rows = layers.flatMap((layer, row) => [number(layer), ...this.cells.slice(row * num_heads, (row + 1) * num_heads).map((cell) => cell.button)]);
    this.grid.append(number(""), ...range(num_heads).map(number), ...rows);
    rovingTabindex(this.cells.map((cell) => cell.button), num_heads);
    this.room = make("div", {}, make("div", { class: "be-row" }, list, scale), this.grid, this.readout);
    this.element = panel("Head statistics", this.note, this.room);
  }

  /** @param {number} layer @param {number} head */
  cell(layer, head) {
    const shade = make("span");
    const button = make("button", { type: "button", class: "be-heat-cell", "aria-pressed": "false" }, shade);
    button.addEventListener("click", () => this.onChoose(layer, head));
    for (const event of ["pointerenter", "focus"]) button.addEventListener(event, () => this.updateReadout([layer, head]));
    for (const event of ["pointerleave", "blur"]) button.addEventListener(event, () => this.updateReadout(null));
    return { layer, head, button, shade };
  }

  /** @param {ReadingMessage} message */
  setText({ statistics, tokens, edits }) {
    this.isOff = (layer, head) => headsOff(edits, layer, head + 1).has(head);
    this.values = statistics.values;
    this.labels = statistics.labels ?? [];
    this.length = tokens.length;
    this.note.hidden = Boolean(this.values);
    this.note.textContent = statistics.note ?? "";
    this.room.hidden = !this.values;
    if (this.values) this.paint();
  }

  /** A statistic of one head. @param {string} name @param {number} layer @param {number} head */
  value(name, layer, head) {
    return this.values?.[name][layer][head] ?? 0;
  }

  /** The maximum of the color scale, independent of the text except for distances. */
  maximum() {
    const [name] = this.measures[this.measure];
    if (name === "entropy") return Math.max(1, Math.log2(this.length));
    return name === "distance" ? Math.max(1, ...(this.values?.distance ?? []).flat()) : 1;
  }

  paint() {
    const [name, label, unit] = this.measures[this.measure];
    const maximum = this.maximum();
    for (const { layer, head, button, shade } of this.cells) {
      const value = this.value(name, layer, head);
      shade.style.opacity = String(Math.max(0, Math.min(1, value / maximum)));
      button.dataset.value = String(value);
      const off = this.isOff(layer, head);
      button.classList.toggle("be-off", off);
      button.setAttribute("aria-label", `Layer ${layer}, head ${head}: ${label} ${short(value)} ${unit}, ${this.labels[layer][head]}${off ? ", switched off" : ""}`);
    }
    this.high.textContent = `${maximum === 1 ? 1 : maximum.toFixed(1)} ${unit}`;
    this.updateReadout(null);
  }

  /** Highlights the selected heads. @param {{layer: number, heads: Set<number>}} choice */
  mark({ layer, heads }) {
    this.single = heads.size === 1 ? [layer, [...heads][0]] : null;
    for (const cell of this.cells) {
      cell.button.setAttribute("aria-pressed", String(cell.layer === layer && heads.has(cell.head)));
    }
    this.grid.classList.toggle("be-single", heads.size === 1);
    if (this.values) this.updateReadout(null);
  }

  /** @param {[number, number] | null} index layer and head */
  updateReadout(index) {
    const shown = index ?? this.single;
    if (!shown) {
      this.readout.textContent = "Rows are layers, columns are heads. Click a head to show its lines.";
      return;
    }
    const [layer, head] = shown;
    const [name, label, unit] = this.measures[this.measure];
    const others = SHORT_NAMES.filter(([, other]) => other !== name);
    const rest = others.map(([text, other]) => `${text} ${this.value(other, layer, head).toFixed(2)}`);
    this.readout.replaceChildren(
      make("strong", { text: `Layer ${layer}, head ${head}: ${this.labels[layer][head]}${this.isOff(layer, head) ? " (switched off)" : ""}` }),
      `. ${label[0].toUpperCase()}${label.slice(1)} ${short(this.value(name, layer, head))}${unit ? ` ${unit}` : ""}; ${rest.join(", ")}.`,
    );
  }

  /** The rows of a table. @returns {Cell[][]} */
  rows() {
    if (!this.values) return [];
    return this.cells.map(({ layer, head }) => {
      const numbers = this.measures.map(([name]) => numberCell(this.value(name, layer, head)));
      return [`${layer}·${head}`, this.labels[layer][head], ...numbers];
    });
  }
}

export { StatisticsPanel };
