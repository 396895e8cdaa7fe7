// Model view: a thumbnail for every head, a row for each layer; one head large, its cells to be read off.

import {
  Frame, PALETTE, counted, freshId, group, make, named, numbers, oncePerFrame, oneOf, roving, sharp, short, shortest,
  styled, table, unpack, written,
} from "./common.js";

const SCALES = {
  light: { shares: ["#ffffff", "#c6dbef", "#6baed6", "#2171b5", "#08306b"], signed: ["#b34700", "#ffffff", "#00518c"] },
  dark: { shares: ["#1b2027", "#17395c", "#2f6ea5", "#6cb4ee", "#e2f2ff"], signed: ["#ff9a63", "#1b2027", "#6cb4ee"] },
};
const VALUES = ["#00204d", "#414d6b", "#7c7b78", "#b9ac70", "#ffe945"]; // cividis: Nuñez, Anderton and Renslow 2018
const LABELS = '12px system-ui, "DejaVu Sans", sans-serif';
const SMALLEST_LABELLED = 13; // pixels a row needs for its token

/** 256 colours, from the first of `stops` to the last, as [red, green, blue]. */
function ramp(stops) {
  const colours = stops.map((stop) => [1, 3, 5].map((at) => parseInt(stop.slice(at, at + 2), 16)));
  return Array.from({ length: 256 }, (_, level) => {
    const place = (level / 255) * (colours.length - 1);
    const [from, part] = [Math.min(Math.floor(place), colours.length - 2), place % 1];
    const share = place >= colours.length - 1 ? 1 : part;
    return colours[from].map((value, i) => Math.round(value + (colours[from + 1][i] - value) * share));
  });
}

/** Paints `levels` (0 to 255, row by row) into a canvas of `side` by `side`. */
function paintLevels(canvas, levels, side, colours) {
  canvas.width = side;
  canvas.height = side;
  const context = canvas.getContext("2d");
  const image = context.createImageData(side, side);
  const pixels = new Uint32Array(image.data.buffer); // a pixel at a time: a long text has a quarter of a million
  const known = new Uint32Array(Uint8Array.from(colours.flatMap((colour) => [...colour, 255])).buffer);
  levels.forEach((level, i) => (pixels[i] = known[level]));
  context.putImageData(image, 0, 0);
}

/** The number or label of each head: its words, its colour, and the order it gives. */
class Values {
  constructor({ values, valuesName }) {
    this.rows = values;
    this.name = valuesName;
    if (!values) return;
    const all = values.flat().filter((value) => value !== null);
    this.labels = typeof all[0] === "string" ? [...new Set(all)].sort((a, b) => a.localeCompare(b)) : null;
    this.least = this.labels ? 0 : Math.min(...all);
    this.most = this.labels ? 0 : Math.max(...all);
    this.ramp = ramp(VALUES);
  }

  of(layer, head) {
    return this.rows?.[layer][head] ?? null;
  }

  inWords(value) {
    if (value === null) return "none";
    return typeof value === "string" ? value : short(value);
  }

  colour(value, theme) {
    if (value === null) return "transparent";
    if (this.labels) return PALETTE[theme][this.labels.indexOf(value) % 7];
    const share = this.most > this.least ? (value - this.least) / (this.most - this.least) : 0.5;
    return `rgb(${this.ramp[Math.round(share * 255)].join()})`;
  }

  /** Heads in order of their value: labels by name, numbers from the largest; those without one last. */
  sorted(places) {
    const key = ([layer, head]) => this.of(layer, head);
    return [...places].sort((a, b) => {
      const [one, other] = [key(a), key(b)];
      if (one === null || other === null) return (one === null) - (other === null);
      return this.labels ? one.localeCompare(other) : other - one;
    });
  }

  legend(theme) {
    const chip = (colour, words) => {
      const swatch = make("span", { class: "be-chip" });
      swatch.style.background = colour;
      return make("span", { class: "be-legend-item" }, swatch, make("span", { text: words }));
    };
    if (this.labels) return this.labels.map((label) => chip(this.colour(label, theme), label));
    return [this.least, (this.least + this.most) / 2, this.most].map((value) => chip(this.colour(value, theme), short(value)));
  }
}

/** The grid of thumbnails. */
class Grid {
  constructor(setup, values, choose) {
    Object.assign(this, { setup, values });
    this.places = setup.layers.flatMap((layer) => Array.from({ length: setup.heads }, (_, head) => [layer, head]));
    this.element = make("div", { class: "be-grid", role: "group", "aria-label": "Heads, a row for each layer" });
    this.element.style.setProperty("--be-heads", setup.heads);
    this.buttons = new Map(this.places.map((place) => [place.join("/"), this.button(place, choose)]));
  }

  button([layer, head], choose) {
    const canvas = make("canvas", { class: "be-thumb", "aria-hidden": "true" });
    const value = this.values.of(layer, head);
    const words = `Layer ${layer}, head ${head}${this.values.rows ? `, ${this.values.name} ${this.values.inWords(value)}` : ""}`;
    const caption = make("span", { class: "be-caption", text: `${layer}·${head}` });
    const button = make("button", { type: "button", class: "be-cell", "aria-pressed": "false", "aria-label": words, title: words },
      canvas, make("span", { class: "be-bar" }), caption); // prettier-ignore
    button.addEventListener("click", () => choose(layer, head));
    return button;
  }

  /** Puts the thumbnails in order: in rows of layers with their numbers, or one after the other with captions. */
  arrange(byValue) {
    const places = byValue ? this.values.sorted(this.places) : this.places;
    const buttons = places.map((place) => this.buttons.get(place.join("/")));
    const number = (text) => make("span", { class: "be-number-label", "aria-hidden": "true", text: String(text) });
    const heads = Array.from({ length: this.setup.heads }, (_, head) => number(head));
    const rows = byValue
      ? buttons
      : [number(""), ...heads, ...this.setup.layers.flatMap((layer, row) => [
          number(layer), ...buttons.slice(row * this.setup.heads, (row + 1) * this.setup.heads),
        ])]; // prettier-ignore
    this.element.classList.toggle("be-sorted", byValue);
    this.element.replaceChildren(...rows);
    roving(buttons, this.setup.heads);
  }

  paint(bytes, theme) {
    const { side, heads, signed } = this.setup;
    const colours = ramp(SCALES[theme][signed ? "signed" : "shares"]);
    const count = bytes.length / (side * side + 4); // four bytes of scale and a picture for each head
    for (const [layer, head] of this.places) {
      const button = this.buttons.get(`${layer}/${head}`);
      const start = 4 * count + (layer * heads + head) * side * side;
      paintLevels(button.firstChild, bytes.subarray(start, start + side * side), side, colours);
      button.children[1].style.background = this.values.rows ? this.values.colour(this.values.of(layer, head), theme) : "";
    }
    this.element.classList.toggle("be-valued", Boolean(this.values.rows));
  }

  mark(layer, head) {
    this.buttons.forEach((button, name) => button.setAttribute("aria-pressed", String(name === `${layer}/${head}`)));
  }
}

/** One head, large: a cell for each pair of tokens, under the pointer or the arrow keys. */
class Map2d {
  constructor(root, setup, onCell) {
    Object.assign(this, { root, setup, onCell, cell: null });
    this.canvas = make("canvas", { class: "be-map", "aria-hidden": "true" });
    const hint = freshId("hint");
    this.element = make("div", { class: "be-map-room", role: "group", tabindex: 0, "aria-describedby": hint },
      this.canvas, make("span", { class: "be-hidden", id: hint, text: "Arrow keys go from cell to cell." })); // prettier-ignore
    this.picture = document.createElement("canvas");
    this.element.addEventListener("pointermove", (event) => this.onCell(this.under(event)));
    this.element.addEventListener("pointerdown", (event) => this.onCell(this.under(event)));
    this.element.addEventListener("pointerleave", () => document.activeElement !== this.element && this.onCell(null));
    this.element.addEventListener("keydown", (event) => this.key(event));
    this.element.addEventListener("blur", () => this.onCell(null));
    this.drawSoon = oncePerFrame(() => this.draw());
  }

  key(event) {
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (event.key === "Escape") return this.onCell(null);
    if (!(event.key in steps)) return;
    event.preventDefault();
    const most = this.setup.tokens.length - 1;
    const here = this.cell ?? [0, 0];
    const step = this.cell ? steps[event.key] : [0, 0];
    this.onCell(here.map((at, axis) => Math.max(0, Math.min(most, at + step[axis]))), true);
  }

  under(event) {
    const box = this.canvas.getBoundingClientRect();
    const place = [event.clientY - box.top - this.edge, event.clientX - box.left - this.edge];
    const [row, column] = place.map((at) => Math.floor(at / this.size));
    const inside = (at) => at >= 0 && at < this.setup.tokens.length;
    return inside(row) && inside(column) ? [row, column] : null;
  }

  show(weights) {
    this.weights = weights;
    this.drawSoon();
  }

  /** The weights as a picture of one pixel a cell, on the colours of the theme. */
  render() {
    const { tokens, signed } = this.setup;
    const theme = this.root.dataset.theme ?? "light";
    let largest = 0;
    for (const weight of this.weights) largest = Math.max(largest, Math.abs(weight));
    const level = (weight) => Math.round(signed ? 127.5 + (127.5 * weight) / (largest || 1) : (255 * weight) / (largest || 1));
    const levels = Uint8Array.from(this.weights, level);
    paintLevels(this.picture, levels, tokens.length, ramp(SCALES[theme][signed ? "signed" : "shares"]));
    this.rendered = [this.weights, theme];
  }

  draw() {
    const width = this.element.clientWidth;
    if (!this.weights || !width) return;
    if (this.rendered?.[0] !== this.weights || this.rendered[1] !== this.root.dataset.theme) this.render();
    const count = this.setup.tokens.length;
    const room = this.labelRoom();
    const labelled = (width - room) / count >= SMALLEST_LABELLED;
    this.edge = labelled ? room : 1;
    this.size = Math.min(44, (width - this.edge - 1) / count);
    const side = this.edge + this.size * count + 1;
    const context = sharp(this.canvas, side, side);
    context.imageSmoothingEnabled = this.size < 1;
    context.drawImage(this.picture, this.edge, this.edge, this.size * count, this.size * count);
    context.strokeStyle = styled(this.root, "--be-edge");
    context.lineWidth = 1;
    context.strokeRect(this.edge - 0.5, this.edge - 0.5, this.size * count + 1, this.size * count + 1);
    if (labelled) this.labels(context);
    if (this.cell) this.cross(context, count);
  }

  /** Pixels that the longest token needs, within reason. */
  labelRoom() {
    const context = this.canvas.getContext("2d");
    context.font = LABELS;
    const widths = this.setup.tokens.length > 64 ? [0] : this.setup.tokens.map((token) => context.measureText(token).width);
    return Math.min(96, Math.ceil(Math.max(...widths)) + 12);
  }

  labels(context) {
    context.font = LABELS;
    context.textBaseline = "middle";
    this.setup.tokens.forEach((token, index) => {
      const at = this.edge + (index + 0.5) * this.size;
      context.fillStyle = styled(this.root, this.cell?.includes(index) ? "--be-text" : "--be-muted");
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

  cross(context, count) {
    const [row, column] = this.cell;
    const [length, size] = [count * this.size, Math.max(2, this.size)];
    context.strokeStyle = styled(this.root, "--be-minus");
    context.lineWidth = 1.5;
    context.strokeRect(this.edge, this.edge + row * this.size, length, size);
    context.strokeRect(this.edge + column * this.size, this.edge, size, length);
  }
}

function clipped(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let kept = [...text].slice(0, 24);
  while (kept.length > 1 && context.measureText(`${kept.join("")}…`).width > width) kept = kept.slice(0, -1);
  return `${kept.join("")}…`;
}

class ModelView {
  constructor(root, setup, source) {
    Object.assign(this, { root, setup, source, layer: setup.layer, head: setup.head });
    setup.name = "Model view";
    root.classList.add("be-model-view"); // what its own style sheet begins with
    this.values = new Values(setup);
    this.frame = new Frame(root, setup, () => this.tabulate());
    this.grid = new Grid(setup, this.values, (layer, head) => this.choose(layer, head, true));
    this.map = new Map2d(root, setup, (cell, byKey) => this.point(cell, byKey));
    this.rows = make("p", { class: "be-label be-rows", text: "Rows are layers, columns are heads" });
    this.heading = make("p", { class: "be-subtitle" });
    const large = make("div", { class: "be-large" }, this.heading, this.map.element);
    this.frame.body.append(make("div", { class: "be-model" }, make("div", { class: "be-grid-room" }, this.rows, this.grid.element), large));
    this.legend = make("span", { class: "be-legend" });
    if (setup.values) this.frame.controls.append(this.orders());
    else this.frame.controls.remove();
    this.grid.arrange(false);
  }

  orders() {
    const by = `By ${this.values.name}`;
    const change = (order) => {
      this.grid.arrange(order === "value");
      this.rows.textContent = order === "value" ? `Layer·head, in order of ${this.values.name}` : "Rows are layers, columns are heads";
      this.frame.say(order === "value" ? `Heads in order of ${this.values.name}` : "Heads by layer");
    };
    const bar = oneOf("order", [["layer", "By layer"], ["value", by]], "layer", change);
    return make("div", { class: "be-row" }, group("Order", bar), group(this.values.name, this.legend));
  }

  async choose(layer, head, aloud) {
    Object.assign(this, { layer, head });
    this.grid.mark(layer, head);
    const { length } = this.setup.tokens;
    const bytes = await this.source.part(`head/${layer}/${head}`);
    if (layer !== this.layer || head !== this.head) return; // another was chosen meanwhile
    this.weights = numbers(unpack(bytes, length, length));
    const value = this.values.rows ? ` · ${this.values.name} ${this.values.inWords(this.values.of(layer, head))}` : "";
    this.heading.textContent = `Layer ${layer}, head ${head}${value}`;
    this.map.element.setAttribute("aria-label", `Weights of layer ${layer}, head ${head}`);
    this.map.show(this.weights);
    this.point(null);
    if (aloud) this.frame.say(`${this.heading.textContent}. ${this.frame.readout.textContent}`);
  }

  point(cell, byKey = false) {
    if (cell?.join() === this.map.cell?.join() && cell) return;
    this.map.cell = cell;
    this.exact = null;
    this.tell(byKey);
    clearTimeout(this.asking);
    if (cell && this.setup.exact) this.asking = setTimeout(() => this.askExact(cell, byKey), 25);
  }

  async askExact(cell, byKey) {
    const { layer, head } = this;
    const row = await this.source.exact({ layer, head, index: cell[0] }).catch(() => null);
    if (!row || cell !== this.map.cell || layer !== this.layer || head !== this.head) return;
    this.exact = row;
    this.tell(byKey);
  }

  tell(byKey) {
    this.frame.readout.textContent = this.inWords();
    this.root.dataset.exact = String(Boolean(this.exact));
    this.map.drawSoon();
    if (byKey) this.frame.say(this.frame.readout.textContent);
    this.frame.refreshTable();
  }

  inWords() {
    const { tokens, seen, shares } = this.setup;
    const { layer, head } = this;
    if (!this.map.cell) {
      const most = seen[layer][head];
      return `Looked at most: ${named(tokens, most)}, mean ${short(shares[layer][head])}. Point at a cell for its weight.`;
    }
    const [row, column] = this.map.cell;
    const value = this.exact ? shortest(this.exact[column]) : short(this.weights[row * tokens.length + column]);
    const kind = this.exact ? "exact" : "rounded to 8 bits";
    return `${named(tokens, row)} looks at ${named(tokens, column)}: ${value} (${kind}).`;
  }

  tabulate() {
    const { tokens, seen, shares } = this.setup;
    const { values, layer, head } = this;
    const name = values.rows ? [values.name] : [];
    const heads = this.grid.places.map(([l, n]) => [
      `${l}·${n}`, ...(values.rows ? [values.inWords(values.of(l, n))] : []), tokens[seen[l][n]], short(shares[l][n]),
    ]); // prettier-ignore
    const rows = tokens.map((token, row) => {
      const weights = this.weights.subarray(row * tokens.length, (row + 1) * tokens.length);
      const best = weights.reduce((top, weight, i) => (Math.abs(weight) > Math.abs(weights[top]) ? i : top), 0);
      return [token, tokens[best], written(weights[best], false)];
    });
    return make("div", {},
      table(`Layer ${layer}, head ${head}: what each token looks at most (rounded to 8 bits)`, ["Looks", "Most at", "Weight"], rows),
      table(`${counted(heads.length, "head")}: layer·head`, ["Head", ...name, "Looked at most", "Mean"], heads)); // prettier-ignore
  }

  /** How many heads there are, and how their thumbnails are to be read. */
  size(theme) {
    const { layers, heads, signed } = this.setup;
    const strongest = signed ? "strongest colour" : theme === "dark" ? "brightest" : "darkest";
    return `${counted(layers.length, "layer")} of ${counted(heads, "head")}; in each thumbnail the ${strongest} is its largest weight`;
  }

  async paint() {
    const theme = this.root.dataset.theme ?? "light";
    if (this.painted !== theme) {
      this.painted = theme;
      this.grid.paint(await this.source.part("thumbnails"), theme);
      if (this.setup.values) this.legend.replaceChildren(...this.values.legend(theme));
      this.frame.status.textContent = this.size(theme);
    }
    this.map.drawSoon();
  }
}

export async function showView(root, setup, source) {
  const view = new ModelView(root, setup, source);
  await Promise.all([view.choose(setup.layer, setup.head, false), view.paint()]); // a click meanwhile comes after both
  return {
    redraw: () => view.paint(),
    chosen: () => ({ layer: view.layer, head: view.head }),
    close: () => {
      view.frame.close();
      clearTimeout(view.asking);
    },
  };
}
