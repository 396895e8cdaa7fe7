// The stage of the head view: lists of queries and keys with lines between them.

import { make } from "./elements.js";
import { DASHES, headColor, oncePerFrame, sharp, styleProperty } from "./theme.js";
import { short } from "./numbers.js";

const MAX_CURVED = 128; // tokens; beyond it, lines are straight and three times as fast to draw
const STAGE_HEIGHT = 600;
const NUMBER_ROOM = 64; // pixels beside the bars
/** @type {Side[]} */
const SIDES = ["query", "key"];

/** @typedef {(series: number, value: number) => string} Colors */
/** @typedef {{lines: Line[], largest: number, series: (number | null)[], partners?: Partner[], side?: Side, ghost?: GhostDrawing}} Drawing */

/**
 * Clips a straight line from [x, y] to the window's height, because a browser draws dashes far outside the window, too.
 * @param {number} x
 * @param {number} y
 * @param {number} otherX
 * @param {number} otherY
 * @param {number} height
 * @returns {[number, number]}
 */
function clippedToHeight(x, y, otherX, otherY, height) {
  const edge = Math.max(-20, Math.min(height + 20, y));
  return edge === y ? [x, y] : [x + ((otherX - x) * (edge - y)) / (otherY - y), edge];
}

/** The stage, in a window that scrolls if there are many tokens. */
class Stage {
  /**
   * @param {HTMLElement} root
   * @param {HeadSetup} setup
   * @param {(focus: Focus | null, byKey: boolean) => void} onFocus
   */
  constructor(root, setup, onFocus) {
    this.root = root;
    this.setup = setup;
    this.onFocus = onFocus;
    this.pitch = setup.tokens.length > 64 ? 18 : setup.tokens.length > 24 ? 20 : 24;
    this.scrollTop = 0;
    /** @type {number[]} */
    this.shown = [];
    /** @type {Map<number, number>} */
    this.rows = new Map(); // of tokens, by index
    /** @type {Focus | null} */
    this.focus = null;
    /** @type {Drawing | null} */
    this.drawing = null;
    this.canvas = make("canvas", { class: "be-lines", role: "img", "aria-label": "Lines between tokens" });
    this.numbers = make("div", { class: "be-numbers", "aria-hidden": "true" });
    this.lists = SIDES.map((side) => this.list(side));
    this.columns = make("div", { class: "be-columns" }, ...this.lists, this.numbers);
    this.window = make("div", { class: "be-window" }, this.canvas, this.columns);
    const heads = make("div", { class: "be-columns-heads", "aria-hidden": "true" });
    heads.append(make("span", { text: "query (from)" }), make("span", { text: "key (to)" }));
    this.element = make("div", { class: "be-stage" }, heads, this.window);
    this.paintSoon = oncePerFrame(() => this.paint());
    this.window.addEventListener("scroll", this.paintSoon, { passive: true });
  }

  /** @param {Side} side */
  list(side) {
    const label = side === "query" ? "Queries" : "Keys";
    const list = make("div", { class: `be-tokens be-${side}`, role: "listbox", tabindex: 0, "aria-label": label });
    /** @type {(event: PointerEvent) => void} */
    const over = (event) => {
      const row = Math.floor((event.clientY - list.getBoundingClientRect().top) / this.pitch);
      if (this.shown[row] !== undefined) this.onFocus({ side, index: this.shown[row] }, false);
    };
    list.addEventListener("pointermove", over);
    list.addEventListener("pointerdown", over);
    list.addEventListener("pointerleave", () => document.activeElement !== list && this.onFocus(null, false));
    list.addEventListener("keydown", (event) => this.key(event, side));
    list.addEventListener("focus", () => !list.matches(":active") && this.onFocus(this.at(side, 0), true));
    list.addEventListener("blur", () => this.onFocus(null, false));
    return list;
  }

  /**
   * The token `step` rows from the one in focus, or the last one in that direction.
   * @param {Side} side
   * @param {number} step
   * @returns {Focus}
   */
  at(side, step, end = false) {
    const last = this.shown.length - 1;
    const row = this.focus ? this.shown.indexOf(this.focus.index) : 0;
    const target = end ? (step > 0 ? last : 0) : row + step;
    return { side, index: this.shown[Math.max(0, Math.min(last, target))] };
  }

  /** @param {KeyboardEvent} event @param {Side} side */
  key(event, side) {
    /** @type {Record<string, [number, boolean?]>} */
    const steps = { ArrowDown: [1], ArrowUp: [-1], PageDown: [10], PageUp: [-10], Home: [-1, true], End: [1, true] };
    if (event.key in steps) this.onFocus(this.at(side, ...steps[event.key]), true);
    else if (event.key === "Escape") this.onFocus(null, true);
    else if (event.key === "ArrowRight" && side === "query") this.lists[1].focus();
    else if (event.key === "ArrowLeft" && side === "key") this.lists[0].focus();
    else return;
    event.preventDefault();
  }

  /** Fills the lists with the tokens of these indices. @param {number[]} shown */
  setTokens(shown) {
    if (this.shown.length && shown.join() === this.shown.join()) return;
    this.shown = shown;
    this.rows = new Map(shown.map((index, row) => [index, row]));
    this.lists.forEach((list, which) => list.replaceChildren(...shown.map((index) => this.token(index, SIDES[which]))));
    this.root.style.setProperty("--be-pitch", `${this.pitch}px`);
    const height = Math.min(STAGE_HEIGHT, shown.length * this.pitch + 8);
    this.window.style.height = `${height}px`;
    this.columns.style.marginTop = `${-height}px`;
  }

  /** @param {number} index @param {Side} side */
  token(index, side) {
    const text = this.setup.tokens[index];
    return make("div", {
      class: this.setup.special[index] ? "be-token be-special" : "be-token", role: "option", text,
      id: `${this.root.id}-${side}-${index}`, "aria-selected": "false", "data-index": index,
      title: text.length > 14 ? text : null,
    }); // prettier-ignore
  }

  /** Highlights the token in focus, and selects it for screen readers. @param {Focus | null} focus @param {boolean} scroll */
  mark(focus, scroll) {
    this.lists.forEach((list, which) => {
      list.querySelector('[aria-selected="true"]')?.setAttribute("aria-selected", "false");
      const item = focus?.side === SIDES[which] ? list.children[this.row(focus.index)] : null;
      item?.setAttribute("aria-selected", "true");
      if (item) list.setAttribute("aria-activedescendant", item.id);
      else list.removeAttribute("aria-activedescendant");
    });
    this.focus = focus;
    if (focus && scroll) this.reveal(this.row(focus.index));
  }

  /** The row of a token. @param {number} index */
  row(index) {
    return this.rows.get(index) ?? 0;
  }

  /** @param {number} row */
  reveal(row) {
    const [top, bottom] = [row * this.pitch, (row + 1) * this.pitch + 8];
    const { scrollTop, clientHeight } = this.window;
    if (top < scrollTop) this.window.scrollTop = top;
    else if (bottom > scrollTop + clientHeight) this.window.scrollTop = bottom - clientHeight;
  }

  /** Draws before the next frame. @param {Drawing} drawing */
  draw(drawing) {
    this.drawing = drawing;
    this.paintSoon();
  }

  paint() {
    const { drawing } = this;
    if (!drawing || !this.window.clientWidth) return;
    const [width, height] = [this.window.clientWidth, this.window.clientHeight];
    this.scrollTop = this.window.scrollTop; // read once, because each read triggers a layout update
    const context = sharp(this.canvas, width, height);
    const box = this.window.getBoundingClientRect();
    const left = this.lists[0].getBoundingClientRect().right - box.left + 4;
    const right = this.lists[1].getBoundingClientRect().left - box.left - 4;
    const colors = this.colors(drawing);
    this.drawBars(context, drawing, [width, height], [left, right], colors);
    if (drawing.ghost) this.drawGhost(context, { ...drawing, ghost: drawing.ghost }, [width, height], [left, right]);
    this.drawLines(context, drawing, height, [left, right], colors);
    this.writeNumbers(drawing);
  }

  /** @param {number} index */
  y(index) {
    return (this.row(index) + 0.5) * this.pitch + 4 - this.scrollTop;
  }

  /**
   * Draws bars behind the partners of the token in focus: their length is the mean weight, with a segment per head.
   * @param {CanvasRenderingContext2D} context
   * @param {Drawing} drawing
   * @param {[number, number]} size
   * @param {[number, number]} edges
   * @param {Colors} colors
   */
  drawBars(context, { partners = [], side, largest }, [width, height], [left, right], colors) {
    const room = side === "query" ? width - right - NUMBER_ROOM : left - NUMBER_ROOM;
    context.globalAlpha = 0.3;
    for (const { index, weights } of partners) {
      let from = side === "query" ? right : left;
      const y = this.y(index) - this.pitch / 2 + 3;
      if (y < -this.pitch || y > height) continue; // outside the window
      weights?.forEach((value, series) => {
        const length = ((Math.abs(value) / largest) * room) / weights.length;
        context.fillStyle = colors(series, value);
        context.fillRect(side === "query" ? from : from - length, y, length, this.pitch - 6);
        from += side === "query" ? length : -length;
      });
    }
    context.globalAlpha = 1;
  }

  /**
   * Draws the original in gray: a frame for the mean weight of each partner, and wide lines.
   * @param {CanvasRenderingContext2D} context
   * @param {Drawing & {ghost: GhostDrawing}} drawing
   * @param {[number, number]} size
   * @param {[number, number]} edges
   */
  drawGhost(context, drawing, [width, height], [left, right]) {
    const { partners = [], side, largest, ghost } = drawing;
    const gray = styleProperty(this.root, "--be-edge");
    const room = side === "query" ? width - right - NUMBER_ROOM : left - NUMBER_ROOM;
    [context.strokeStyle, context.lineWidth] = [gray, 1];
    partners.forEach(({ index }, at) => {
      const length = Math.min(room, (Math.abs(ghost.means[at] ?? 0) / largest) * room);
      if (length) context.strokeRect(side === "query" ? right : left - length, this.y(index) - this.pitch / 2 + 3, length, this.pitch - 6);
    });
    this.drawLines(context, { ...drawing, lines: ghost.lines }, height, [left, right], () => gray, 1.5);
  }

  /** A function from series and weight to color: of the head, or of the sign; gray for heads that are off. @param {Drawing} drawing @returns {Colors} */
  colors({ series, ghost }) {
    const [plus, minus, accent, gray] = ["plus", "minus", "accent", "edge"].map((name) => styleProperty(this.root, `--be-${name}`));
    const off = series.map((head) => head !== null && Boolean(ghost?.off.has(head)));
    if (this.setup.signed) return (index, value) => (off[index] ? gray : value < 0 ? minus : plus);
    const colors = series.map((head, index) => (off[index] ? gray : head === null ? accent : headColor(this.root, head)));
    return (index) => colors[index];
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Drawing} drawing
   * @param {number} height
   * @param {[number, number]} edges
   * @param {Colors} colors
   */
  drawLines(context, { lines, largest, series, partners }, height, [left, right], colors, extraWidth = 0) {
    const curved = this.shown.length <= MAX_CURVED;
    const middle = (left + right) / 2;
    const thick = partners && series.length < 5 ? 2.2 : 1.4;
    const fan = partners && series.length > 1 ? (this.pitch - 8) / (series.length - 1) : 0; // so that heads do not hide each other
    let dash = 0;
    for (const line of lines) {
      const relative = line.strength / largest;
      if (relative < 0.004) continue; // invisible
      const aside = fan * (line.series - (series.length - 1) / 2);
      const [from, to] = [this.y(line.query) + aside, this.y(line.key) + aside];
      if ((from < -20 && to < -20) || (from > height + 20 && to > height + 20)) continue;
      context.globalAlpha = Math.min(1, partners ? relative ** 0.8 : relative ** 1.15);
      context.lineWidth = 0.7 + extraWidth + thick * relative;
      context.strokeStyle = colors(line.series, line.value);
      const kind = Math.floor((series[line.series] ?? 0) / 7) % 3;
      if (kind !== dash) context.setLineDash(DASHES[(dash = kind)]);
      context.beginPath();
      if (curved) {
        context.moveTo(left, from);
        context.bezierCurveTo(middle, from, middle, to, right, to);
      } else {
        context.moveTo(...clippedToHeight(left, from, right, to, height));
        context.lineTo(...clippedToHeight(right, to, left, from, height));
      }
      context.stroke();
    }
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  /** Writes the mean weights beside the visible partners. @param {Drawing} drawing */
  writeNumbers({ partners, side, ghost }) {
    if (!partners || !side) return this.numbers.replaceChildren();
    const [top, bottom] = [this.window.scrollTop - this.pitch, this.window.scrollTop + this.window.clientHeight];
    this.numbers.dataset.side = side;
    this.numbers.replaceChildren();
    for (const [at, { index, mean }] of partners.entries()) {
      const y = this.row(index) * this.pitch;
      if (mean === null || y < top || y > bottom) continue;
      const original = ghost?.means[at] ?? null;
      const was = original === null ? null : make("span", { class: "be-was", text: `was ${short(original)}`, "data-value": original });
      const number = make("span", { class: "be-number", "data-index": index, "data-value": mean }, was, short(mean));
      number.style.top = `${y + 4}px`;
      this.numbers.append(number);
    }
  }
}

export { Stage };
