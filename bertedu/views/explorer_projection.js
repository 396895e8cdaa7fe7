// The explorer's projection: the tokens in two dimensions, and how similar two texts are.

import { group, make, panel, stepper } from "./elements.js";
import { indexUnder } from "./explorer_texts.js";
import { counted, range, short } from "./numbers.js";

const HEIGHT = 240;
const MAX_NAMED = 80; // points; more names would cover one another
const LETTER = 6.6; // pixels, of the names
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

/** The panel: by the vectors before the first layer or after any. */
class ProjectionPanel {
  /**
   * @param {number} layers
   * @param {number} place
   * @param {(index: number | null) => void} onPoint
   * @param {() => void} onPlace
   */
  constructor(layers, place, onPoint, onPlace) {
    this.place = place;
    this.onPlace = onPlace;
    /** @type {ReadText | null} */
    this.text = null;
    /** @type {Projection} */
    this.projection = { place, points: null, variance: [] };
    /** @type {number | null} */
    this.at = null;
    /** @type {[number, number][]} */
    this.spots = [];
    /** @type {(SVGTextElement | null)[]} */
    this.names = [];
    this.pointer = shape("text", { class: "be-plane-here" });
    const words = (/** @type {number} */ at) => (at ? `after layer ${at - 1}` : "embeddings");
    const steps = stepper("Vectors", range(layers + 1), place, (chosen) => this.go(chosen), words);
    this.drawing = shape("svg", { class: "be-plane", role: "img", height: HEIGHT });
    this.readout = make("p", { class: "be-small-readout" });
    this.similarity = make("p", { class: "be-similarity" });
    const row = make("div", { class: "be-row" }, group("Vectors", steps.element));
    this.element = panel("Tokens as vectors", this.similarity, row, this.drawing, this.readout);
    this.drawing.addEventListener("pointermove", (event) => onPoint(indexUnder(event)));
    this.drawing.addEventListener("pointerleave", () => onPoint(null));
  }

  /** @param {number} place */
  async go(place) {
    this.place = place;
    await this.load();
    this.onPlace();
  }

  async load() {
    const { text, place } = this;
    const projection = await text?.projection(place).catch(() => null);
    if (!projection || place !== this.place || text !== this.text) return; // another was chosen meanwhile
    this.projection = projection;
    this.draw();
  }

  /** @param {ReadText} text */
  async take(text) {
    this.text = text;
    this.similarity.hidden = !text.message.texts[1];
    this.similarity.textContent = "The two texts: cosine similarity …";
    if (text.message.texts[1]) this.compare(text);
    await this.load();
  }

  /** Asked for apart, so that nothing waits for it: the first time, the model is compiled anew. @param {ReadText} text */
  async compare(text) {
    const similarity = await text.similarity().catch(() => null);
    if (!similarity || text !== this.text) return;
    const cosine = make("strong", { text: short(similarity.cosine), "data-value": similarity.cosine });
    this.similarity.replaceChildren("The two texts: cosine similarity ", cosine, ` (bert.embed, ${similarity.pooling})`);
  }

  draw() {
    const { points, variance } = this.projection;
    if (!this.text) return;
    const count = counted(this.text.message.tokens.length, "token");
    const width = Math.max(200, Math.round(this.element.clientWidth || 340));
    this.drawing.setAttribute("width", String(width));
    this.drawing.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.drawing.setAttribute("display", points ? "inline" : "none");
    this.spots = points ? this.placed(points, width) : [];
    this.names = points && points.length <= MAX_NAMED ? this.named(width) : [];
    if (!points) {
      this.drawing.replaceChildren();
      this.readout.textContent = "A plane needs three tokens.";
      return;
    }
    const dots = this.spots.map(([x, y], index) => shape("circle", { cx: x, cy: y, r: 4, class: this.kind(index), "data-index": index }));
    const edge = shape("rect", { class: "be-plane-edge", x: 0.5, y: 0.5, width: width - 1, height: HEIGHT - 1, rx: 6 });
    this.drawing.replaceChildren(edge, ...dots, ...this.names.filter((name) => name !== null), this.pointer);
    this.drawing.setAttribute("aria-label", `${count} in two dimensions; the table below has their places`);
    const share = Math.round(100 * (variance[0] + variance[1]));
    this.readout.textContent = `The two directions in which the ${count} differ most: ${share} % of their differences.`;
    this.mark(this.at);
  }

  /**
   * Where the points are drawn: one scale for both directions, so that distances are true.
   * @param {[number, number][]} points
   * @param {number} width
   * @returns {[number, number][]}
   */
  placed(points, width) {
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

  /** A name beside each point, where there is a place for it that no point and no other name takes. @param {number} width */
  named(width) {
    const taken = this.spots.map(([x, y]) => [x - 5, y - 5, x + 5, y + 5]);
    /** @type {(box: number[]) => boolean} */
    const free = (box) => box[0] > 2 && box[2] < width - 2 && box[1] > 2 && box[3] < HEIGHT - 2
      && !taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1]); // prettier-ignore
    return this.spots.map(([x, y], index) => {
      const text = this.word(index);
      const length = text.length * LETTER;
      const tries = [[x + 8, y + 4], [x - 8 - length, y + 4], [x - length / 2, y - 9], [x - length / 2, y + 17]];
      const place = tries.find(([left, base]) => free([left, base - 10, left + length, base + 3]));
      if (!place) return null;
      taken.push([place[0], place[1] - 10, place[0] + length, place[1] + 3]);
      return shape("text", { x: place[0], y: place[1], class: "be-dot-name", "data-index": index }, text);
    });
  }

  /** @param {number} index */
  word(index) {
    const token = this.text?.message.tokens[index] ?? "";
    return token.length > 14 ? `${token.slice(0, 13)}…` : token;
  }

  /** @param {number | null} index */
  mark(index) {
    this.at = index;
    this.drawing.querySelectorAll("circle").forEach((dot, at) => dot.classList.toggle("be-here", at === index));
    this.names.forEach((name, at) => name?.classList.toggle("be-here", at === index));
    const spot = index === null ? undefined : this.spots[index];
    const hidden = index === null || !spot || Boolean(this.names[index]);
    this.pointer.textContent = hidden ? "" : this.word(index);
    if (hidden) return;
    const [x, y] = spot;
    const right = x < this.drawing.clientWidth / 2;
    this.pointer.setAttribute("x", String(right ? x + 9 : x - 9));
    this.pointer.setAttribute("y", String(y + 4));
    this.pointer.setAttribute("text-anchor", right ? "start" : "end");
  }
}

export { ProjectionPanel };
