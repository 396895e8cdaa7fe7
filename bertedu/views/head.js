// Head view: lines from the tokens that look (left) to those that are looked at (right), one for each weight.

import {
  DASHES, Frame, checkBox, counted, group, headColour, make, named, numbers, oncePerFrame, oneOf, roving, sharp, short,
  stepper, styled, table, unpack, written,
} from "./common.js";

const MOST_LINES = 2500; // more than that is grey fog, and slow to draw
const MOST_OF_ONE = 240; // lines of the token in focus
const MOST_CURVED = 128; // tokens; beyond it lines are straight, which is three times as fast to draw
const STAGE_HEIGHT = 600;
const REST = 80; // milliseconds on one token before its exact numbers are asked for: a moving pointer asks for none
const SIDES = ["query", "key"];
const MOST_ROWS_IN_TABLE = 200;
const DIRECTIONS = { all: null, AA: [0, 0], AB: [0, 1], BA: [1, 0], BB: [1, 1] };

/** What is shown: the choices of the reader, and the weights that follow from them. */
class Choice {
  constructor(setup) {
    Object.assign(this, { setup, layer: setup.layer, average: false, direction: "all", hide: false, rescale: false });
    this.heads = new Set(setup.chosen);
    this.least = 0;
    this.focus = null; // {side, index}
  }

  /** The same choices for another text of the same model; a direction needs two texts. */
  of(setup) {
    const next = new Choice(setup);
    const { heads, least, average, hide } = this;
    const direction = setup.segments.includes(0) && setup.segments.includes(1) ? this.direction : "all";
    return Object.assign(next, { heads, least, average, hide, direction, rescale: this.rescale && hide && !setup.signed });
  }

  /** Indices of the tokens that are shown, in order. */
  shown() {
    const all = this.setup.tokens.map((_, index) => index);
    const kept = this.hide ? all.filter((index) => !this.setup.special[index]) : all;
    return kept.length ? kept : all;
  }

  allows(query, key) {
    const direction = DIRECTIONS[this.direction];
    const { segments } = this.setup;
    return !direction || (segments[query] === direction[0] && segments[key] === direction[1]);
  }

  chosenHeads() {
    return [...this.heads].sort((a, b) => a - b);
  }
}

/** One number for each pair of tokens and each series: a head, or the average of the chosen ones. */
class Weights {
  /** `layer` is [N, T, T] as float32. */
  constructor(layer, choice) {
    const { tokens } = choice.setup;
    this.size = tokens.length;
    this.shown = choice.shown();
    this.factors = choice.rescale && choice.hide ? this.rescaled(layer, choice) : null;
    this.layer = layer;
    this.heads = choice.chosenHeads();
    this.series = choice.average && this.heads.length ? [null] : this.heads;
    this.values = this.series.map((head) => (head === null ? this.averaged() : this.ofHead(head)));
  }

  /** What each row must be multiplied with so that its shown weights sum to 1. */
  rescaled(layer) {
    const rows = layer.length / this.size;
    return Float32Array.from({ length: rows }, (_, row) => {
      const sum = this.shown.reduce((total, key) => total + layer[row * this.size + key], 0);
      return sum > 0 ? 1 / sum : 0;
    });
  }

  ofHead(head) {
    const { size } = this;
    const values = this.layer.subarray(head * size * size, (head + 1) * size * size);
    return this.factors ? values.map((value, i) => value * this.factors[head * size + Math.floor(i / size)]) : values;
  }

  averaged() {
    const mean = new Float32Array(this.size * this.size);
    for (const head of this.heads) {
      const values = this.ofHead(head);
      for (let i = 0; i < mean.length; i += 1) mean[i] += values[i];
    }
    return mean.map((sum) => sum / this.heads.length);
  }

  /** One token's weights in every series, from the exact numbers [N, T] where they are there. */
  line({ side, index }, exact, choice) {
    const rows = exact ? this.exactLine({ side, index }, exact) : this.values.map((values) => this.cut(values, side, index));
    return this.shown.map((other) => {
      const [query, key] = side === "query" ? [index, other] : [other, index];
      const weights = choice.allows(query, key) ? rows.map((row) => row[other]) : null;
      return { index: other, weights, mean: mean(weights) };
    });
  }

  cut(values, side, index) {
    const { size } = this;
    if (side === "query") return values.subarray(index * size, (index + 1) * size);
    return Float32Array.from({ length: size }, (_, query) => values[query * size + index]);
  }

  exactLine({ side, index }, exact) {
    const rows = this.heads.map((head) => {
      const row = exact.slice(head * this.size, (head + 1) * this.size);
      if (!this.factors) return row;
      return row.map((value, other) => value * this.factors[head * this.size + (side === "query" ? index : other)]);
    });
    if (this.series[0] !== null || !rows.length) return rows;
    return [rows[0].map((_, i) => rows.reduce((sum, row) => sum + row[i], 0) / rows.length)];
  }
}

// Millions of weights are gone through at each change. So the two loops below are plain, and compare bits: those of a
// float32 without its sign grow as the number does, and their upper half is a ready-made bin of a histogram.
const UNSIGNED = 0x7fffffff;

function bitsOf(number) {
  return new Uint32Array(Float32Array.of(number).buffer)[0];
}

function bitsIn(values) {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

/** Places [query * T + key] of the pairs that may be shown; null for all of them. */
function placesOf({ shown, size }, choice) {
  if (choice.direction === "all" && shown.length === size) return null;
  const places = shown.flatMap((query) => shown.filter((key) => choice.allows(query, key)).map((key) => query * size + key));
  return Uint32Array.from(places);
}

/** How many weights are at least `least`, in bins by the upper half of their bits. */
function histogram(bits, places, least, bins) {
  const count = places ? places.length : bits.length;
  for (let i = 0; i < count; i += 1) {
    const one = bits[places ? places[i] : i] & UNSIGNED;
    if (one >= least) bins[one >>> 16] += 1;
  }
}

/** The places of weights that are at least `least`, no more than `most`. */
function placesFrom(bits, places, least, most) {
  const found = [];
  const count = places ? places.length : bits.length;
  for (let i = 0; i < count && found.length < most; i += 1) {
    const place = places ? places[i] : i;
    if ((bits[place] & UNSIGNED) >= least) found.push(place);
  }
  return found;
}

/** The lines to draw, weakest first: those from `choice.least` on, and of these the strongest. */
function linesOf(weights, choice) {
  const bins = new Uint32Array(1 << 15);
  const places = placesOf(weights, choice);
  const asked = Math.max(1, bitsOf(choice.least));
  weights.values.forEach((values) => histogram(bitsIn(values), places, asked, bins));
  let [cut, kept] = [bins.length - 1, 0];
  while (cut >= 0 && kept + bins[cut] <= MOST_LINES) kept += bins[cut--];
  const least = Math.max(asked, kept ? (cut + 1) * 65536 : cut * 65536); // all alike: some of them, rather than none
  const each = kept ? Infinity : Math.ceil(MOST_LINES / weights.values.length);
  const lines = weights.values.flatMap((values, series) =>
    placesFrom(bitsIn(values), places, least, each).map((place) => {
      const [query, key] = [Math.floor(place / weights.size), place % weights.size];
      return { strength: Math.abs(values[place]), series, query, key, value: values[place] };
    }),
  );
  lines.sort((a, b) => a.strength - b.strength);
  const possible = bins.reduce((sum, count) => sum + count, 0);
  return { lines, largest: lines.at(-1)?.strength ?? 0, possible };
}

/** Where a straight line from [x, y] comes into the window's height: a browser would draw its dashes far outside too. */
function inSight(x, y, otherX, otherY, height) {
  const edge = Math.max(-20, Math.min(height + 20, y));
  return edge === y ? [x, y] : [x + ((otherX - x) * (edge - y)) / (otherY - y), edge];
}

/** The picture: two lists of tokens with lines between them, in a window that scrolls when there are many. */
class Stage {
  constructor(root, setup, onFocus) {
    Object.assign(this, { root, setup, onFocus, rows: [] });
    this.pitch = setup.tokens.length > 64 ? 18 : setup.tokens.length > 24 ? 20 : 24;
    this.canvas = make("canvas", { class: "be-lines", role: "img", "aria-label": "Lines between tokens" });
    this.numbers = make("div", { class: "be-numbers", "aria-hidden": "true" });
    this.lists = SIDES.map((side) => this.list(side));
    const columns = make("div", { class: "be-columns" }, this.lists[0], this.lists[1], this.numbers);
    this.window = make("div", { class: "be-window" }, this.canvas, columns);
    const heads = make("div", { class: "be-columns-heads", "aria-hidden": "true" });
    heads.append(make("span", { text: "looks" }), make("span", { text: "is looked at" }));
    this.element = make("div", { class: "be-stage" }, heads, this.window);
    this.paintSoon = oncePerFrame(() => this.paint());
    this.window.addEventListener("scroll", this.paintSoon, { passive: true });
    this.columns = columns;
  }

  list(side) {
    const words = side === "query" ? "Tokens that look" : "Tokens that are looked at";
    const list = make("div", { class: `be-tokens be-${side}`, role: "listbox", tabindex: 0, "aria-label": words });
    const over = (event) => {
      const row = Math.floor((event.clientY - list.getBoundingClientRect().top) / this.pitch);
      if (this.shown[row] !== undefined) this.onFocus({ side, index: this.shown[row] }, false);
    };
    list.addEventListener("pointermove", over);
    list.addEventListener("pointerdown", over);
    list.addEventListener("pointerleave", () => document.activeElement !== list && this.onFocus(null, false));
    list.addEventListener("keydown", (event) => this.key(event, side));
    list.addEventListener("focus", () => !list.matches(":active") && this.onFocus(this.at(side, 0, false), true));
    list.addEventListener("blur", () => this.onFocus(null, false));
    return list;
  }

  /** The place `by` rows further on, from the token that has the focus. */
  at(side, by, end) {
    const here = this.focus ? this.shown.indexOf(this.focus.index) : 0;
    const there = end ? (by > 0 ? this.shown.length - 1 : 0) : here + by;
    return { side, index: this.shown[Math.max(0, Math.min(this.shown.length - 1, there))] };
  }

  key(event, side) {
    const steps = { ArrowDown: [1], ArrowUp: [-1], PageDown: [10], PageUp: [-10], Home: [-1, true], End: [1, true] };
    const other = { ArrowRight: ["query", 1], ArrowLeft: ["key", 0] }[event.key];
    if (event.key in steps) this.onFocus(this.at(side, ...steps[event.key]), true);
    else if (event.key === "Escape") this.onFocus(null, true);
    else if (other && other[0] === side) this.lists[other[1]].focus();
    else return;
    event.preventDefault();
  }

  /** Fills the lists with the shown tokens. */
  place(shown) {
    if (this.shown && shown.join() === this.shown.join()) return;
    this.shown = shown;
    this.row = new Map(shown.map((index, row) => [index, row]));
    this.lists.forEach((list, which) => {
      list.replaceChildren(
        ...shown.map((index) =>
          make("div", {
            class: this.setup.special[index] ? "be-token be-special" : "be-token",
            role: "option",
            id: `${this.root.id}-${SIDES[which]}-${index}`,
            "aria-selected": "false",
            "data-index": index,
            text: this.setup.tokens[index],
            title: this.setup.tokens[index].length > 14 ? this.setup.tokens[index] : null,
          }),
        ),
      );
    });
    this.root.style.setProperty("--be-pitch", `${this.pitch}px`);
    const height = Math.min(STAGE_HEIGHT, shown.length * this.pitch + 8);
    this.window.style.height = `${height}px`;
    this.columns.style.marginTop = `${-height}px`;
  }

  /** Marks the token that is looked from or at, for eyes and for readers of the screen. */
  mark(focus, scroll) {
    this.lists.forEach((list, which) => {
      const chosen = focus?.side === SIDES[which] ? focus.index : null;
      list.querySelector('[aria-selected="true"]')?.setAttribute("aria-selected", "false");
      const item = chosen === null ? null : list.children[this.row.get(chosen)];
      item?.setAttribute("aria-selected", "true");
      if (item) list.setAttribute("aria-activedescendant", item.id);
      else list.removeAttribute("aria-activedescendant");
    });
    this.focus = focus;
    if (focus && scroll) this.reveal(this.row.get(focus.index));
  }

  reveal(row) {
    const [top, bottom] = [row * this.pitch, (row + 1) * this.pitch + 8];
    if (top < this.window.scrollTop) this.window.scrollTop = top;
    else if (bottom > this.window.scrollTop + this.window.clientHeight) {
      this.window.scrollTop = bottom - this.window.clientHeight;
    }
  }

  /** What `paint` shall draw: lines, and the numbers beside one token's partners. */
  draw(picture) {
    this.picture = picture;
    this.paintSoon();
  }

  paint() {
    if (!this.picture || !this.window.clientWidth) return;
    const [width, height] = [this.window.clientWidth, this.window.clientHeight];
    this.scrolled = this.window.scrollTop; // asked once: each time, the browser brings its layout up to date
    const context = sharp(this.canvas, width, height);
    const box = this.window.getBoundingClientRect();
    const left = this.lists[0].getBoundingClientRect().right - box.left + 4;
    const right = this.lists[1].getBoundingClientRect().left - box.left - 4;
    const colours = this.colours();
    this.shade(context, [width, height], left, right, colours);
    this.strokes(context, left, right, height, colours);
    this.writeNumbers();
  }

  y(index) {
    return (this.row.get(index) + 0.5) * this.pitch + 4 - this.scrolled;
  }

  /** Bars behind the partners of the token in focus: as long as the mean weight, made up of what each head gives. */
  shade(context, [width, height], left, right, colours) {
    const { partners, side, largest } = this.picture;
    const room = side === "query" ? width - right - 64 : left - 64;
    context.globalAlpha = 0.3;
    for (const { index, weights } of partners ?? []) {
      let from = side === "query" ? right : left;
      const y = this.y(index) - this.pitch / 2 + 3;
      if (y < -this.pitch || y > height) continue; // out of sight, as most of 512 tokens are
      (weights ?? []).forEach((value, series) => {
        const share = ((Math.abs(value) / largest) * room) / weights.length;
        context.fillStyle = colours(series, value);
        context.fillRect(side === "query" ? from : from - share, y, share, this.pitch - 6);
        from += side === "query" ? share : -share;
      });
    }
    context.globalAlpha = 1;
  }

  /** From a series and a weight to its colour: that of the head, or of the sign. */
  colours() {
    const [plus, minus, accent] = ["plus", "minus", "accent"].map((name) => styled(this.root, `--be-${name}`));
    if (this.setup.signed) return (series, value) => (value < 0 ? minus : plus);
    const known = this.picture.series.map((head) => (head === null ? accent : headColour(this.root, head)));
    return (series) => known[series];
  }

  strokes(context, left, right, height, colours) {
    const { lines, largest, series, partners } = this.picture;
    const curved = this.shown.length <= MOST_CURVED;
    const middle = (left + right) / 2;
    const thick = partners && series.length < 5 ? 2.2 : 1.4;
    const fan = partners && series.length > 1 ? (this.pitch - 8) / (series.length - 1) : 0; // else heads cover each other
    let dash = 0;
    for (const line of lines) {
      const share = line.strength / largest;
      if (share < 0.004) continue; // paler than a screen can show
      const aside = fan * (line.series - (series.length - 1) / 2);
      const [from, to] = [this.y(line.query) + aside, this.y(line.key) + aside];
      if ((from < -20 && to < -20) || (from > height + 20 && to > height + 20)) continue;
      context.globalAlpha = Math.min(1, partners ? share ** 0.8 : share ** 1.15);
      context.lineWidth = 0.7 + thick * share;
      context.strokeStyle = colours(line.series, line.value);
      const kind = Math.floor((series[line.series] ?? 0) / 7) % 3;
      if (kind !== dash) context.setLineDash(DASHES[(dash = kind)]);
      context.beginPath();
      if (curved) {
        context.moveTo(left, from);
        context.bezierCurveTo(middle, from, middle, to, right, to);
      } else {
        context.moveTo(...inSight(left, from, right, to, height));
        context.lineTo(...inSight(right, to, left, from, height));
      }
      context.stroke();
    }
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  /** Numbers beside the partners that are in sight. */
  writeNumbers() {
    const { partners, side } = this.picture;
    if (!partners) return this.numbers.replaceChildren();
    const [top, bottom] = [this.window.scrollTop - this.pitch, this.window.scrollTop + this.window.clientHeight];
    const inSight = partners.filter(({ index, mean }) => {
      const y = this.row.get(index) * this.pitch;
      return mean !== null && y >= top && y <= bottom;
    });
    this.numbers.dataset.side = side;
    this.numbers.replaceChildren(
      ...inSight.map(({ index, mean }) => {
        const number = make("span", { class: "be-number", text: short(mean), "data-index": index, "data-value": mean });
        number.style.top = `${this.row.get(index) * this.pitch + 4}px`;
        return number;
      }),
    );
  }
}

/** The buttons, lists and sliders above the stage. */
class Controls {
  constructor(setup, choice, change) {
    Object.assign(this, { setup, choice, change });
    this.layer = stepper("Layer", setup.layers, choice.layer, (layer) => change({ layer }, `Layer ${layer}`));
    this.buttons = Array.from({ length: setup.heads }, (_, head) => this.headButton(head));
    roving(this.buttons);
    const average = checkBox("Average", choice.average, (on) => change({ average: on }, on ? "Average of the heads" : "Each head"));
    const all = this.small("All", () => Array.from({ length: setup.heads }, (_, head) => head));
    const none = this.small("None", () => []);
    this.average = average;
    this.first = [
      group("Layer", this.layer.element),
      group("Heads", make("span", { class: "be-heads" }, ...this.buttons), all, none, average.label),
    ];
    this.second = [this.directions(), this.specials(), this.threshold()].filter(Boolean);
  }

  headButton(head) {
    const pressed = this.choice.heads.has(head);
    const kind = ["", "be-dashed", "be-dotted"][Math.floor(head / 7) % 3];
    const swatch = make("span", { class: `be-swatch ${kind}`, "data-head": head });
    const words = make("span", { text: String(head) });
    const button = make("button", {
      type: "button", class: "be-head", "aria-pressed": String(pressed), "aria-label": `Head ${head}`,
      title: `Head ${head}: click to show or hide, double click for this one alone`,
    }, swatch, words); // prettier-ignore
    button.addEventListener("click", () => this.toggle(head));
    button.addEventListener("dblclick", () => this.only([head]));
    button.addEventListener("keydown", (event) => event.key === "Enter" && event.shiftKey && this.only([head]));
    return button;
  }

  small(words, heads) {
    return make("button", { type: "button", class: "be-button", text: words, "aria-label": `${words} heads`,
      on: { click: () => this.only(heads()) } }); // prettier-ignore
  }

  toggle(head) {
    const heads = new Set(this.choice.heads);
    if (!heads.delete(head)) heads.add(head);
    this.only([...heads]);
  }

  only(heads) {
    const chosen = new Set(heads);
    this.press(chosen);
    this.change({ heads: chosen }, counted(chosen.size, "head"));
  }

  press(chosen) {
    this.buttons.forEach((button, head) => button.setAttribute("aria-pressed", String(chosen.has(head))));
  }

  directions() {
    const { segments } = this.setup;
    if (!segments.includes(0) || !segments.includes(1)) return null;
    const options = [["all", "All"], ["AA", "A→A"], ["AB", "A→B"], ["BA", "B→A"], ["BB", "B→B"]];
    return group("Texts", oneOf("direction", options, this.choice.direction, (direction) => this.change({ direction }, `Texts ${direction}`)));
  }

  specials() {
    const { special, signed } = this.setup;
    if (!special.includes(1) || !special.includes(0)) return null;
    const { hide: hidden, rescale: rescaled } = this.choice;
    const rescale = checkBox("Rescale rows to 1", rescaled, (on) => this.change({ rescale: on }, "Rescaled"), {
      disabled: !hidden || signed,
    });
    const hide = checkBox("Hide special tokens", hidden, (on) => {
      rescale.box.disabled = !on || signed;
      this.change({ hide: on }, on ? "Special tokens hidden" : "Special tokens shown");
    });
    return make("div", { class: "be-group" }, hide.label, signed ? null : rescale.label);
  }

  threshold() {
    const start = this.choice.least;
    const value = make("output", { class: "be-output", text: short(start) });
    const slider = make("input", { type: "range", min: 0, max: 100, value: Math.round(100 * Math.sqrt(start)), class: "be-slider", "aria-label": "Weakest weight shown" });
    slider.addEventListener("input", () => {
      const least = (slider.value / 100) ** 2; // finer where most weights are
      value.textContent = short(least);
      slider.setAttribute("aria-valuetext", short(least));
      this.change({ least });
    });
    return group("Weakest", slider, value);
  }

  /** Gives the swatches the colours of the theme. */
  paint(root) {
    if (this.theme === root.dataset.theme) return;
    this.theme = root.dataset.theme;
    this.buttons.forEach((button, head) => {
      const colour = this.setup.signed ? "currentColor" : headColour(root, head);
      button.style.setProperty("--be-head", colour);
    });
  }
}

/** Everything together: from a choice to what is drawn, said and tabled. */
export class HeadView {
  /** `onChange` is told of every new choice and focus, for what else the page shows. */
  constructor(root, setup, source, choice = new Choice(setup), onChange = () => {}) {
    Object.assign(this, { root, setup, source, choice, onChange, ready: new Map() });
    setup.name = "Head view";
    root.classList.add("be-head-view"); // what its own style sheet begins with
    root.id ||= `be-head-${Math.random().toString(36).slice(2)}`;
    this.frame = new Frame(root, setup, () => this.tabulate());
    this.controls = new Controls(setup, this.choice, (changes, words) => this.change(changes, words));
    this.stage = new Stage(root, setup, (focus, byKey) => this.focusOn(focus, byKey));
    const rows = [this.controls.first, this.controls.second].filter((row) => row.length);
    this.frame.controls.append(...rows.map((row) => make("div", { class: "be-row" }, ...row)));
    this.frame.body.append(this.stage.element);
  }

  /** Takes over what the reader chose and draws it. */
  async change(changes, words) {
    Object.assign(this.choice, changes);
    if (changes.layer !== undefined) await this.load();
    const stale = ["layer", "heads", "average", "hide", "rescale"].some((name) => name in changes);
    if (stale) this.weigh();
    this.exact = null;
    this.collect();
    this.refocus();
    this.onChange(this.choice);
    if (words) this.frame.say(`${words}. ${this.frame.status.textContent}`);
  }

  /** Takes over what was chosen elsewhere in the page, and shows it in the controls too. */
  choose(layer, heads, words) {
    const chosen = new Set(heads);
    this.controls.layer.choose(layer);
    this.controls.press(chosen);
    return this.change({ layer, heads: chosen }, words);
  }

  async load() {
    const wanted = this.choice.layer;
    const layer = await this.weightsOf(wanted);
    if (wanted !== this.choice.layer) return; // another was chosen meanwhile
    this.layer = layer;
    this.fetchNext();
  }

  /** A layer's weights as float32, [N, T, T], coming or here; those of this one and its neighbours are kept. */
  weightsOf(layer) {
    const { tokens, heads } = this.setup;
    if (!this.ready.has(layer)) {
      const part = this.source.part(`layer/${layer}`);
      const coming = part.then((bytes) => numbers(unpack(bytes, heads * tokens.length, tokens.length)));
      coming.catch(() => this.ready.delete(layer)); // the next try asks again
      this.ready.set(layer, coming);
    }
    return this.ready.get(layer);
  }

  /** Neighbouring layers come right after the picture, the one that the reader is going towards first. */
  fetchNext() {
    clearTimeout(this.next);
    this.next = setTimeout(async () => {
      const { layer } = this.choice;
      const here = this.setup.layers.indexOf(layer);
      const onward = here < this.came ? -1 : 1;
      this.came = here;
      const near = [here, here + onward, here - onward].map((at) => this.setup.layers[at]);
      [...this.ready.keys()].filter((kept) => !near.includes(kept)).forEach((kept) => this.ready.delete(kept));
      for (const next of near) {
        if (layer === this.choice.layer && next !== undefined) await this.weightsOf(next).catch(() => {});
      }
    }, 20);
  }

  weigh() {
    this.weights = new Weights(this.layer, this.choice);
    this.stage.place(this.weights.shown);
    const { focus } = this.choice;
    if (focus && !this.weights.shown.includes(focus.index)) this.choice.focus = null;
  }

  collect() {
    this.all = linesOf(this.weights, this.choice);
    const { lines, largest, possible } = this.all;
    const parts = [];
    if (!this.choice.heads.size) parts.push("No head is chosen: press one of the numbers above.");
    else if (!possible) parts.push("No weight is that large: move “Weakest” to the left.");
    else {
      parts.push(lines.length < possible ? `The strongest ${lines.length.toLocaleString("en")} of ${counted(possible, "line")}` : counted(possible, "line"));
      parts.push(`the strongest is ${this.setup.signed ? "±" : ""}${short(largest)}`);
    }
    this.frame.status.textContent = parts.join("; ");
  }

  focusOn(focus, byKey) {
    const same = focus?.side === this.choice.focus?.side && focus?.index === this.choice.focus?.index;
    if (same && !byKey) return;
    this.choice.focus = focus;
    this.exact = null;
    this.refocus(byKey);
    this.onChange(this.choice);
  }

  /** Draws the focus as it is known now, and asks for its exact numbers. */
  refocus(byKey = false) {
    this.stage.mark(this.choice.focus, byKey);
    this.draw(byKey);
    clearTimeout(this.asking);
    if (this.choice.focus && this.setup.exact) this.asking = setTimeout(() => this.askExact(byKey), REST);
  }

  async askExact(byKey) {
    const { focus, layer } = this.choice;
    const exact = await this.source.exact({ layer, ...focus }).catch(() => null);
    if (!exact || focus !== this.choice.focus || layer !== this.choice.layer) return;
    this.exact = exact;
    this.draw(byKey);
  }

  draw(byKey = false) {
    this.controls.paint(this.root);
    const { focus } = this.choice;
    this.line = focus ? this.weights.line(focus, this.exact, this.choice) : null;
    this.stage.draw(focus ? this.focused(focus) : { ...this.all, series: this.weights.series });
    this.frame.readout.textContent = this.inWords();
    Object.assign(this.root.dataset, { exact: String(Boolean(this.exact)), layer: this.choice.layer });
    if (focus && byKey) this.frame.say(this.frame.readout.textContent);
    this.frame.refreshTable();
  }

  /** Lines of one token only, and the mean of its heads for the numbers. */
  focused({ side, index }) {
    const partners = this.line;
    const strengths = Float32Array.from(partners.flatMap(({ weights }) => weights ?? []), Math.abs).sort();
    const least = Math.max(this.choice.least, strengths.at(-MOST_OF_ONE) ?? 0);
    const lines = partners.flatMap(({ index: other, weights }) => {
      const [query, key] = side === "query" ? [index, other] : [other, index];
      const all = (weights ?? []).map((value, series) => ({ strength: Math.abs(value), series, query, key, value }));
      return all.filter(({ strength }) => strength && strength >= least);
    });
    lines.sort((a, b) => a.strength - b.strength);
    const drawn = lines.slice(-MOST_OF_ONE);
    const largest = drawn.at(-1)?.strength ?? 1;
    return { lines: drawn, largest, partners, side, series: this.weights.series };
  }

  inWords() {
    const { focus, average, heads } = this.choice;
    const { tokens, signed } = this.setup;
    if (!focus) return "Point at a token, or go to the tokens with the Tab and arrow keys, for its weights.";
    const best = this.line.filter((partner) => partner.mean !== null).sort((a, b) => Math.abs(b.mean) - Math.abs(a.mean));
    const what = focus.side === "query" ? "looks at" : "is looked at by";
    const of = heads.size > 1 ? ` (mean of ${heads.size} heads)` : average ? "" : heads.size ? ` (head ${[...heads][0]})` : "";
    const list = best.slice(0, 5).map((partner) => `${named(tokens, partner.index)} ${short(partner.mean)}`);
    const kind = this.exact ? "exact" : "rounded to 8 bits";
    if (!list.length) return `${named(tokens, focus.index)} ${what} no token that is shown.`;
    return `${named(tokens, focus.index)} ${what} ${list.join(", ")}${best.length > 5 ? " …" : ""}${of}; ${kind}${signed ? ", signed" : ""}.`;
  }

  tabulate() {
    const { tokens } = this.setup;
    const { focus, layer } = this.choice;
    const names = this.weights.series.map((head) => (head === null ? "Average" : `Head ${head}`));
    const kind = this.exact ? "exact" : "rounded to 8 bits";
    if (focus) {
      const caption = `Layer ${layer}: what ${named(tokens, focus.index)} ${focus.side === "query" ? "looks at" : "is looked at by"} (${kind})`;
      const rows = this.line.filter(({ weights }) => weights).map(({ index, weights }) => [
        tokens[index], ...weights.map((value) => written(value, Boolean(this.exact))),
      ]); // prettier-ignore
      return table(caption, ["Token", ...names], rows);
    }
    const strongest = this.all.lines.slice(-MOST_ROWS_IN_TABLE).reverse();
    const count = `${strongest.length.toLocaleString("en")} of ${counted(this.all.possible, "line")}`;
    const caption = `Layer ${layer}: ${count}, strongest first (rounded to 8 bits)`;
    const rows = strongest.map(({ series, query, key, value }) => [tokens[query], tokens[key], names[series], written(value, false)]);
    return table(caption, ["Looks", "Is looked at", "Head", "Weight"], rows);
  }

  close() {
    this.frame.close();
    clearTimeout(this.next);
    clearTimeout(this.asking);
  }
}

function mean(weights) {
  if (!weights?.length) return null;
  return weights.reduce((sum, value) => sum + value, 0) / weights.length;
}

export async function showView(root, setup, source) {
  const view = new HeadView(root, setup, source);
  await view.change({ layer: setup.layer });
  const chosen = () => ({ layer: view.choice.layer, chosen: view.choice.chosenHeads() });
  return { redraw: () => view.draw(), chosen, close: () => view.close() };
}
