// The explorer's statistics: every head as a cell, a row a layer, the darker the larger its number.

import { make, panel, roving } from "./elements.js";
import { range, short, written } from "./numbers.js";

const SHORT_NAMES = [["[CLS]", "cls"], ["[SEP]", "sep"], ["previous", "previous"], ["next", "next"], ["itself", "itself"]];

/** The panel; a cell chooses its head. */
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
    this.longest = 1;
    /** @type {Record<string, number[][]> | undefined} */
    this.values = undefined;
    /** @type {string[][]} */
    this.labels = [];
    /** @type {[number, number] | null} */
    this.single = null; // the one head that the lines belong to
    this.note = make("p", { class: "be-note", hidden: true });
    this.readout = make("p", { class: "be-small-readout" });
    const [low, ramp, high] = [make("span"), make("span", { class: "be-ramp" }), make("span")];
    this.high = high;
    low.textContent = "0";
    const scale = make("span", { class: "be-scale", "aria-hidden": "true" }, low, ramp, high);
    const list = make("select", { class: "be-select", "aria-label": "Number that colours the heads" });
    measures.forEach(([, words], index) => list.append(make("option", { value: index, text: words })));
    list.addEventListener("change", () => {
      this.measure = list.selectedIndex;
      this.paint();
    });
    this.grid = make("div", { class: "be-heat", role: "group", "aria-label": "Heads: a row is a layer" });
    this.grid.style.setProperty("--be-heads", String(num_heads));
    /** @type {(text: number | string) => HTMLElement} */
    const number = (text) => make("span", { class: "be-number-label", "aria-hidden": "true", text: String(text) });
    this.cells = layers.flatMap((layer) => range(num_heads).map((head) => this.cell(layer, head)));
    const rows = layers.flatMap((layer, row) => [number(layer), ...this.cells.slice(row * num_heads, (row + 1) * num_heads).map((cell) => cell.button)]);
    this.grid.append(number(""), ...range(num_heads).map(number), ...rows);
    roving(this.cells.map((cell) => cell.button), num_heads);
    this.room = make("div", {}, make("div", { class: "be-row" }, list, scale), this.grid, this.readout);
    this.element = panel("What each head looks at", this.note, this.room);
  }

  /** @param {number} layer @param {number} head */
  cell(layer, head) {
    const shade = make("span");
    const button = make("button", { type: "button", class: "be-heat-cell", "aria-pressed": "false" }, shade);
    button.addEventListener("click", () => this.onChoose(layer, head));
    for (const event of ["pointerenter", "focus"]) button.addEventListener(event, () => this.tell([layer, head]));
    for (const event of ["pointerleave", "blur"]) button.addEventListener(event, () => this.tell(null));
    return { layer, head, button, shade };
  }

  /** @param {ReadingMessage} message */
  take({ statistics, tokens }) {
    this.values = statistics.values;
    this.labels = statistics.labels ?? [];
    this.longest = tokens.length;
    this.note.hidden = Boolean(this.values);
    this.note.textContent = statistics.note ?? "";
    this.room.hidden = !this.values;
    if (this.values) this.paint();
  }

  /** A number of one head. @param {string} name @param {number} layer @param {number} head */
  value(name, layer, head) {
    return this.values?.[name][layer][head] ?? 0;
  }

  /** The largest number that the colours go to: the same for any text, but for distances. */
  most() {
    const [name] = this.measures[this.measure];
    if (name === "entropy") return Math.max(1, Math.log2(this.longest));
    return name === "distance" ? Math.max(1, ...(this.values?.distance ?? []).flat()) : 1;
  }

  paint() {
    const [name, words, unit] = this.measures[this.measure];
    const most = this.most();
    for (const { layer, head, button, shade } of this.cells) {
      const value = this.value(name, layer, head);
      shade.style.opacity = String(Math.max(0, Math.min(1, value / most)));
      button.dataset.value = String(value);
      button.setAttribute("aria-label", `Layer ${layer}, head ${head}: ${words} ${short(value)} ${unit}, ${this.labels[layer][head]}`);
    }
    this.high.textContent = `${most === 1 ? 1 : most.toFixed(1)} ${unit}`;
    this.tell(null);
  }

  /** Marks the heads that the lines belong to. @param {{layer: number, heads: Set<number>}} choice */
  mark({ layer, heads }) {
    this.single = heads.size === 1 ? [layer, [...heads][0]] : null;
    for (const cell of this.cells) {
      cell.button.setAttribute("aria-pressed", String(cell.layer === layer && heads.has(cell.head)));
    }
    this.grid.classList.toggle("be-single", heads.size === 1);
    if (this.values) this.tell(null);
  }

  /** @param {[number, number] | null} place */
  tell(place) {
    const shown = place ?? this.single;
    if (!shown) {
      this.readout.textContent = "A row is a layer, a cell a head. Choose one for its lines.";
      return;
    }
    const [layer, head] = shown;
    const [name, words, unit] = this.measures[this.measure];
    const others = SHORT_NAMES.filter(([, other]) => other !== name);
    const rest = others.map(([label, other]) => `${label} ${this.value(other, layer, head).toFixed(2)}`);
    this.readout.replaceChildren(
      make("strong", { text: `Layer ${layer}, head ${head}: ${this.labels[layer][head]}` }),
      `. ${words[0].toUpperCase()}${words.slice(1)} ${short(this.value(name, layer, head))}${unit ? ` ${unit}` : ""}; ${rest.join(", ")}.`,
    );
  }

  /** Rows of a table. @returns {Cell[][]} */
  rows() {
    if (!this.values) return [];
    return this.cells.map(({ layer, head }) => {
      const numbers = this.measures.map(([name]) => written(this.value(name, layer, head)));
      return [`${layer}·${head}`, this.labels[layer][head], ...numbers];
    });
  }
}

export { StatisticsPanel };
