// The explorer's projection: the token vectors in two dimensions, and the similarity of two texts.

import { group, make, panel, stepper } from "./elements.js";
import { indexUnder } from "./explorer_texts.js";
import { counted, range, short } from "./numbers.js";

const HEIGHT = 240;
const MAX_LABELED = 80; // points; labels of more would overlap
const MIN_MOVE = 2; // pixels; a token that moved less has no ghost
const CHARACTER_WIDTH = 6.6; // pixels, of labels
const SVG = "http://www.w3.org/2000/svg";

/**
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number>} attributes
 * @returns {SVGElementTagNameMap[Tag]}
 */
function shape(tag, attributes, text = "") {
  const element = document.createElementNS(SVG, tag);
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, String(value)));
  element.textContent = text;
  return element;
}

/** The panel; it shows the embeddings or the output of any layer. */
class ProjectionPanel {
  /**
   * @param {number} layers
   * @param {number} hidden_state
   * @param {(index: number | null) => void} onPoint
   * @param {() => void} onChange
   */
  constructor(layers, hidden_state, onPoint, onChange) {
    this.hidden_state = hidden_state;
    this.onChange = onChange;
    /** @type {ReadText | null} */
    this.text = null;
    /** @type {Projection} */
    this.projection = { hidden_state, points: null, variance: [] };
    /** @type {number | null} */
    this.focus = null;
    /** @type {[number, number][]} */
    this.positions = [];
    /** @type {[number, number][]} */
    this.originals = [];
    /** @type {(SVGTextElement | null)[]} */
    this.labels = [];
    this.focusLabel = shape("text", { class: "be-projection-focus" });
    const label = (/** @type {number} */ index) => (index ? `after layer ${index - 1}` : "embeddings");
    const steps = stepper("Vectors", range(layers + 1), hidden_state, (index) => this.choose(index), label);
    this.drawing = shape("svg", { class: "be-projection", role: "img", height: HEIGHT });
    this.readout = make("p", { class: "be-small-readout" });
    this.similarity = make("p", { class: "be-similarity" });
    const row = make("div", { class: "be-row" }, group("Vectors", steps.element));
    this.element = panel("Token vectors", this.similarity, row, this.drawing, this.readout);
    this.drawing.addEventListener("pointermove", (event) => onPoint(indexUnder(event)));
    this.drawing.addEventListener("pointerleave", () => onPoint(null));
  }

  /** @param {number} hidden_state */
  async choose(hidden_state) {
    this.hidden_state = hidden_state;
    await this.load();
    this.onChange();
  }

  async load() {
    const { text, hidden_state } = this;
    const projection = await text?.projection(hidden_state).catch(() => null);
    if (!projection || hidden_state !== this.hidden_state || text !== this.text) return; // another one was selected meanwhile
    this.projection = projection;
    this.draw();
  }

  /** @param {ReadText} text */
  async setText(text) {
    this.text = text;
    this.similarity.hidden = !text.message.texts[1];
    this.similarity.textContent = "The two texts: cosine similarity …";
    if (text.message.texts[1]) this.compare(text);
    await this.load();
  }

  /** A separate request, so that nothing waits for it: the first one compiles the model again. @param {ReadText} text */
  async compare(text) {
    const similarity = await text.similarity().catch(() => null);
    if (!similarity || text !== this.text) return;
    const { cosine, original_cosine: original, pooling } = similarity;
    const now = make("strong", { text: short(cosine), "data-value": cosine });
    const was = original === undefined ? null : make("span", { class: "be-was", text: ` was ${short(original)}`, "data-value": original });
    this.similarity.replaceChildren("The two texts: cosine similarity ", now, ...(was ? [was] : []), ` (bert.embed, ${pooling})`);
  }

  draw() {
    const { points, original_points: originals = [], variance } = this.projection;
    if (!this.text) return;
    const count = counted(this.text.message.tokens.length, "token");
    const width = Math.max(200, Math.round(this.element.clientWidth || 340));
    this.drawing.setAttribute("width", String(width));
    this.drawing.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.drawing.setAttribute("display", points ? "inline" : "none");
    const all = points ? this.scaled([...points, ...originals], width) : [];
    this.positions = all.slice(0, points?.length);
    this.originals = all.slice(points?.length);
    this.labels = points && points.length <= MAX_LABELED ? this.placeLabels(width) : [];
    if (!points) {
      this.drawing.replaceChildren();
      this.readout.textContent = "The projection needs at least three tokens.";
      return;
    }
    const dots = this.positions.map(([x, y], index) => shape("circle", { cx: x, cy: y, r: 4, class: this.kind(index), "data-index": index }));
    const edge = shape("rect", { class: "be-projection-edge", x: 0.5, y: 0.5, width: width - 1, height: HEIGHT - 1, rx: 6 });
    this.drawing.replaceChildren(edge, ...this.ghosts(), ...dots, ...this.labels.filter((label) => label !== null), this.focusLabel);
    const ghosts = originals.length ? ", now filled and originally hollow" : "";
    this.drawing.setAttribute("aria-label", `${count} in two dimensions${ghosts}; the table below has their coordinates`);
    const percent = Math.round(100 * (variance[0] + variance[1]));
    this.readout.textContent = `The first two principal components of ${count}${ghosts}: ${percent} % of the variance.`;
    this.mark(this.focus);
  }

  /** Hollow circles at the original positions, with lines to the current ones, for tokens that moved. */
  ghosts() {
    return this.originals.flatMap(([x, y], index) => {
      const [toX, toY] = this.positions[index];
      if (Math.hypot(x - toX, y - toY) < MIN_MOVE) return [];
      const line = shape("line", { class: "be-ghost-line", x1: x, y1: y, x2: toX, y2: toY });
      return [line, shape("circle", { class: "be-ghost-dot", cx: x, cy: y, r: 3.5, "data-index": index })];
    });
  }

  /**
   * Scales the points to pixels, with the same scale for both components.
   * @param {[number, number][]} points
   * @param {number} width
   * @returns {[number, number][]}
   */
  scaled(points, width) {
    const room = [width - 100, HEIGHT - 48];
    const ends = [0, 1].map((axis) => [Math.min(...points.map((p) => p[axis])), Math.max(...points.map((p) => p[axis]))]);
    const scale = Math.min(...ends.map(([low, high], axis) => room[axis] / (high - low || 1)));
    const middle = ends.map(([low, high]) => (low + high) / 2);
    return points.map(([x, y]) => [width / 2 + (x - middle[0]) * scale, HEIGHT / 2 - (y - middle[1]) * scale]);
  }

  /** @param {number} index */
  kind(index) {
    const message = this.text?.message;
    return message?.special[index] ? "be-dot be-dot-special" : `be-dot be-dot-${message?.type_ids[index]}`;
  }

  /** A label beside each point, unless it would overlap a point or another label. @param {number} width */
  placeLabels(width) {
    const taken = [...this.positions, ...this.originals].map(([x, y]) => [x - 5, y - 5, x + 5, y + 5]);
    /** @type {(box: number[]) => boolean} */
    const free = (box) => box[0] > 2 && box[2] < width - 2 && box[1] > 2 && box[3] < HEIGHT - 2
      && !taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1]); // prettier-ignore
    return this.positions.map(([x, y], index) => {
      const text = this.label(index);
      const length = text.length * CHARACTER_WIDTH;
      const candidates = [[x + 8, y + 4], [x - 8 - length, y + 4], [x - length / 2, y - 9], [x - length / 2, y + 17]];
      const position = candidates.find(([left, base]) => free([left, base - 10, left + length, base + 3]));
      if (!position) return null;
      taken.push([position[0], position[1] - 10, position[0] + length, position[1] + 3]);
      return shape("text", { x: position[0], y: position[1], class: "be-dot-label", "data-index": index }, text);
    });
  }

  /** @param {number} index */
  label(index) {
    const token = this.text?.message.tokens[index] ?? "";
    return token.length > 14 ? `${token.slice(0, 13)}…` : token;
  }

  /** @param {number | null} index */
  mark(index) {
    this.focus = index;
    this.drawing.querySelectorAll(".be-dot").forEach((dot, at) => dot.classList.toggle("be-focus", at === index));
    this.labels.forEach((label, at) => label?.classList.toggle("be-focus", at === index));
    const position = index === null ? undefined : this.positions[index];
    const hidden = index === null || !position || Boolean(this.labels[index]);
    this.focusLabel.textContent = hidden ? "" : this.label(index);
    if (hidden) return;
    const [x, y] = position;
    const right = x < this.drawing.clientWidth / 2;
    this.focusLabel.setAttribute("x", String(right ? x + 9 : x - 9));
    this.focusLabel.setAttribute("y", String(y + 4));
    this.focusLabel.setAttribute("text-anchor", right ? "start" : "end");
  }
}

export { ProjectionPanel };
