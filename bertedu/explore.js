// Explorer: a text, or two, read again at every edit; its tokens, its heads as lines and in numbers, its vectors.
// Every answer of the kernel belongs to one reading, and an edit that came later makes an earlier answer stale.

import { Frame, counted, freshId, group, make, named, roving, short, stepper, table } from "./views/common.js";
import { HeadView } from "./views/head.js";

const PAUSE = 150; // milliseconds without a key, until what was typed is read
const PLANE_HEIGHT = 240;
const MOST_NAMED = 80; // points; more names would cover one another
const LETTER = 6.6; // pixels, of the names in the plane

/** A box to type in. Behind its letters lies a mirror of them, in which a token's characters can be underlined. */
class Box {
  constructor(words, text, hint, live, onEdit) {
    const id = freshId("text");
    this.mirror = make("div", { class: "be-mirror", dir: "auto", "aria-hidden": "true" });
    this.area = make("textarea", {
      id, class: "be-area", rows: 1, placeholder: live ? hint : "", readonly: !live, dir: "auto", spellcheck: "false",
      autocomplete: "off", autocapitalize: "off",
    }); // prettier-ignore
    this.area.value = text;
    this.area.addEventListener("input", () => {
      this.underline(null);
      onEdit(PAUSE);
    });
    this.area.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      onEdit(0);
    });
    this.area.addEventListener("scroll", () => (this.mirror.scrollTop = this.area.scrollTop), { passive: true });
    const room = make("div", { class: "be-text-room" }, this.mirror, this.area);
    this.element = make("div", { class: "be-text" }, make("label", { class: "be-label", for: id, text: words }), room);
    this.underline(null);
  }

  /** Underlines the characters from `start` to `end`, which Python counts in code points, or none. */
  underline(range) {
    const letters = range ? Array.from(this.area.value) : [];
    const piece = (from, to) => letters.slice(from, to).join("");
    const parts = range ? [piece(0, range[0]), make("mark", { text: piece(...range) }), piece(range[1])] : [this.area.value];
    this.mirror.replaceChildren(...parts, "\u200b"); // or a line feed at the end would have no height
    this.mirror.scrollTop = this.area.scrollTop;
  }
}

/** The tokens with their ids and types, as BERT reads them. */
class Strip {
  constructor(onPoint, onChoose) {
    Object.assign(this, { onPoint, onChoose, at: null, id: freshId("chips") });
    this.list = make("div", {
      class: "be-chips", role: "listbox", tabindex: 0, "aria-label": "Tokens, with ids and types", "aria-orientation": "horizontal",
    }); // prettier-ignore
    const legend = make("div", { class: "be-chip be-chip-legend", "aria-hidden": "true" });
    legend.append(...["token", "id", "type"].map((text) => make("span", { text })));
    this.element = make("div", { class: "be-strip" }, legend, this.list);
    const under = (event) => event.target.closest("[data-index]");
    const over = (event) => under(event) && this.onPoint(Number(under(event).dataset.index), false);
    this.list.addEventListener("pointermove", over);
    this.list.addEventListener("pointerdown", over);
    this.list.addEventListener("click", (event) => under(event) && this.onChoose(Number(under(event).dataset.index)));
    this.list.addEventListener("pointerleave", () => document.activeElement !== this.list && this.onPoint(null, false));
    this.list.addEventListener("focus", () => !this.list.matches(":active") && this.onPoint(this.at ?? 0, true));
    this.list.addEventListener("blur", () => this.onPoint(null, false));
    this.list.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const last = this.list.children.length - 1;
    const here = this.at ?? 0;
    const places = { ArrowRight: here + 1, ArrowDown: here + 1, ArrowLeft: here - 1, ArrowUp: here - 1, Home: 0, End: last };
    if (event.key in places) this.onPoint(Math.max(0, Math.min(last, places[event.key])), true);
    else if (event.key === "Enter" || event.key === " ") this.onChoose(here);
    else if (event.key === "Escape") this.onPoint(null, true);
    else return;
    event.preventDefault();
  }

  take({ head, ids, types }) {
    this.at = null;
    this.list.removeAttribute("aria-activedescendant");
    this.list.replaceChildren(
      ...head.tokens.map((token, index) => {
        const joined = token.startsWith("##") && token.length > 2;
        const name = make("span", { class: "be-chip-token" }, joined ? make("span", { class: "be-hashes", text: "##" }) : null, joined ? token.slice(2) : token);
        const heard = (words) => make("span", { class: "be-hidden", text: words });
        const [id, type] = [ids[index], types[index]].map((number) => make("span", { text: String(number) }));
        return make("div", {
          class: `be-chip${joined ? " be-joined" : ""}${head.special[index] ? " be-special" : ""}`, role: "option",
          id: `${this.id}-${index}`, "aria-selected": "false",
          "data-index": index, "data-type": types[index], title: token.length > 14 ? token : null,
        }, name, heard(", id "), id, heard(", type "), type); // prettier-ignore
      }),
    );
  }

  /** Marks the token that is pointed at. */
  mark(index, scroll) {
    this.list.children[this.at]?.setAttribute("aria-selected", "false");
    this.at = index;
    const chip = index === null ? null : this.list.children[index];
    chip?.setAttribute("aria-selected", "true");
    if (chip) this.list.setAttribute("aria-activedescendant", chip.id);
    else this.list.removeAttribute("aria-activedescendant");
    if (chip && scroll) chip.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** Frames the tokens whose word is hidden for a guess. */
  frame(index) {
    [...this.list.children].forEach((chip, at) => chip.classList.toggle("be-chosen", at === index));
  }
}

/** A heading and what stands below it. */
function panel(words, ...children) {
  const id = freshId("panel");
  return make("section", { class: "be-panel", "aria-labelledby": id }, make("p", { class: "be-subtitle", id, text: words }), ...children);
}

/** Every head as a cell, a row a layer, the darker the larger its number; a cell chooses its head. */
class Statistics {
  constructor(setup, layers, onChoose) {
    Object.assign(this, { setup, measure: 0, onChoose, buttons: new Map() });
    this.note = make("p", { class: "be-note", hidden: true });
    this.readout = make("p", { class: "be-small-readout" });
    this.scale = make("span", { class: "be-scale", "aria-hidden": "true" }, make("span"), make("span", { class: "be-ramp" }), make("span"));
    const list = make("select", { class: "be-select", "aria-label": "Number that colours the heads" });
    setup.measures.forEach(([, words], index) => list.append(make("option", { value: index, text: words })));
    list.addEventListener("change", () => {
      this.measure = list.selectedIndex;
      this.paint();
    });
    this.grid = make("div", { class: "be-heat", role: "group", "aria-label": "Heads: a row is a layer" });
    this.grid.style.setProperty("--be-heads", setup.heads);
    this.fill(layers);
    this.room = make("div", {}, make("div", { class: "be-row" }, list, this.scale), this.grid, this.readout);
    this.element = panel("What each head looks at", this.note, this.room);
  }

  fill(layers) {
    const number = (text) => make("span", { class: "be-number-label", "aria-hidden": "true", text: String(text) });
    const heads = Array.from({ length: this.setup.heads }, (_, head) => head);
    this.grid.append(number(""), ...heads.map(number));
    for (const layer of layers) this.grid.append(number(layer), ...heads.map((head) => this.cell(layer, head)));
    roving([...this.buttons.values()], this.setup.heads);
  }

  cell(layer, head) {
    const button = make("button", { type: "button", class: "be-heat-cell", "aria-pressed": "false" }, make("span"));
    button.addEventListener("click", () => this.onChoose(layer, head));
    for (const event of ["pointerenter", "focus"]) button.addEventListener(event, () => this.tell([layer, head]));
    for (const event of ["pointerleave", "blur"]) button.addEventListener(event, () => this.tell(null));
    this.buttons.set(`${layer}/${head}`, button);
    return button;
  }

  take({ statistics, head }) {
    this.values = statistics.values;
    this.labels = statistics.labels;
    this.longest = head.tokens.length;
    this.note.hidden = Boolean(this.values);
    this.note.textContent = statistics.note ?? "";
    this.room.hidden = !this.values;
    if (this.values) this.paint();
  }

  /** The largest number that the colours go to: the same for any text, but for distances. */
  most() {
    const [name] = this.setup.measures[this.measure];
    if (name === "entropy") return Math.max(1, Math.log2(this.longest));
    return name === "distance" ? Math.max(1, ...this.values.distance.flat()) : 1;
  }

  paint() {
    const [name, words, unit] = this.setup.measures[this.measure];
    const most = this.most();
    this.buttons.forEach((button, place) => {
      const [layer, head] = place.split("/").map(Number);
      const value = this.values[name][layer][head];
      button.firstChild.style.opacity = Math.max(0, Math.min(1, value / most));
      button.dataset.value = value;
      button.setAttribute("aria-label", `Layer ${layer}, head ${head}: ${words} ${short(value)} ${unit}, ${this.labels[layer][head]}`);
    });
    this.scale.firstChild.textContent = "0";
    this.scale.lastChild.textContent = `${most === 1 ? 1 : most.toFixed(1)} ${unit}`;
    this.tell(null);
  }

  /** Marks the heads that the lines belong to. */
  mark({ layer, heads }) {
    this.single = heads.size === 1 ? [layer, [...heads][0]] : null;
    this.buttons.forEach((button, place) => {
      const [of, head] = place.split("/").map(Number);
      button.setAttribute("aria-pressed", String(of === layer && heads.has(head)));
    });
    this.grid.classList.toggle("be-single", heads.size === 1);
    if (this.values) this.tell(null);
  }

  tell(place) {
    const [layer, head] = place ?? this.single ?? [];
    if (layer === undefined) {
      this.readout.textContent = "A row is a layer, a cell a head. Choose one for its lines.";
      return;
    }
    const value = (name) => this.values[name][layer][head];
    const [name, words, unit] = this.setup.measures[this.measure];
    const shares = [["[CLS]", "cls"], ["[SEP]", "sep"], ["previous", "previous"], ["next", "next"], ["itself", "itself"]];
    const rest = shares.filter(([, other]) => other !== name).map(([label, other]) => `${label} ${value(other).toFixed(2)}`);
    this.readout.replaceChildren(
      make("strong", { text: `Layer ${layer}, head ${head}: ${this.labels[layer][head]}` }),
      `. ${words[0].toUpperCase()}${words.slice(1)} ${short(value(name))}${unit ? ` ${unit}` : ""}; ${rest.join(", ")}.`,
    );
  }

  rows() {
    if (!this.values) return [];
    return [...this.buttons.keys()].map((place) => {
      const [layer, head] = place.split("/").map(Number);
      const numbers = this.setup.measures.map(([name]) => this.values[name][layer][head]);
      return [`${layer}·${head}`, this.labels[layer][head], ...numbers.map((value) => ({ text: short(value), value: String(value) }))];
    });
  }
}

const SVG = "http://www.w3.org/2000/svg";
function shape(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  if (text !== undefined) element.textContent = text;
  return element;
}

/** The tokens in two dimensions, by the vectors before the first layer or after any; and how alike two texts are. */
class Plane {
  constructor(setup, fetchPlane, fetchLikeness, onPoint, onPlace) {
    Object.assign(this, { setup, fetchPlane, fetchLikeness, onPoint, onPlace, place: setup.place, at: null });
    const places = Array.from({ length: setup.depth + 1 }, (_, place) => place);
    const steps = stepper("Vectors", places, setup.place, (place) => this.go(place));
    steps.element.querySelectorAll("option").forEach((option, place) => (option.textContent = place ? `after layer ${place - 1}` : "embeddings"));
    this.drawing = shape("svg", { class: "be-plane", role: "img", height: PLANE_HEIGHT });
    this.readout = make("p", { class: "be-small-readout" });
    this.likeness = make("p", { class: "be-likeness" });
    this.element = panel("Tokens as vectors", this.likeness, make("div", { class: "be-row" }, group("Vectors", steps.element)), this.drawing, this.readout);
    this.drawing.addEventListener("pointermove", (event) => {
      const point = event.target.closest("[data-index]");
      this.onPoint(point ? Number(point.dataset.index) : null);
    });
    this.drawing.addEventListener("pointerleave", () => this.onPoint(null));
  }

  async go(place) {
    this.place = place;
    const { reading } = this;
    const plane = await this.fetchPlane(reading.number, place);
    if (!plane || place !== this.place || reading !== this.reading) return; // another was chosen meanwhile
    this.plane = plane;
    this.draw();
    this.onPlace();
  }

  take(reading) {
    this.reading = reading;
    this.plane = reading.plane;
    this.likeness.hidden = !reading.pair;
    this.likeness.textContent = "The two texts: cosine similarity …";
    if (reading.pair) this.compare(reading);
    this.draw();
  }

  /** Asked for apart, so that nothing waits for it: the first time, the model is compiled anew. */
  async compare(reading) {
    const likeness = await this.fetchLikeness(reading.number);
    if (!likeness || reading !== this.reading) return;
    const cosine = make("strong", { text: short(likeness.cosine), "data-value": likeness.cosine });
    this.likeness.replaceChildren("The two texts: cosine similarity ", cosine, ` (bert.embed, ${likeness.pooling})`);
  }

  draw() {
    const { points, shares } = this.plane;
    const { head } = this.reading;
    const width = Math.max(200, Math.round(this.element.clientWidth || 340));
    this.drawing.setAttribute("width", width);
    this.drawing.setAttribute("viewBox", `0 0 ${width} ${PLANE_HEIGHT}`);
    this.drawing.setAttribute("display", points ? "inline" : "none");
    if (!points) {
      this.drawing.replaceChildren();
      this.readout.textContent = "A plane needs three tokens.";
      return;
    }
    const spots = this.placed(points, width);
    const dots = spots.map(([x, y], index) => shape("circle", { cx: x, cy: y, r: 4, class: this.kind(index), "data-index": index }));
    this.names = spots.length <= MOST_NAMED ? this.named(spots, width) : [];
    const edges = [shape("rect", { class: "be-plane-edge", x: 0.5, y: 0.5, width: width - 1, height: PLANE_HEIGHT - 1, rx: 6 })];
    this.pointer = shape("text", { class: "be-plane-here" });
    this.drawing.replaceChildren(...edges, ...dots, ...this.names.filter(Boolean), this.pointer);
    this.spots = spots;
    this.drawing.setAttribute("aria-label", `${counted(spots.length, "token")} in two dimensions; the table below has their places`);
    const share = Math.round(100 * (shares[0] + shares[1]));
    this.readout.textContent = `The two directions in which the ${counted(head.tokens.length, "token")} differ most: ${share} % of their differences.`;
    this.mark(this.at);
  }

  /** Where the points are drawn: one scale for both directions, so that distances are true. */
  placed(points, width) {
    const room = [width - 100, PLANE_HEIGHT - 48];
    const ends = [0, 1].map((axis) => [Math.min(...points.map((p) => p[axis])), Math.max(...points.map((p) => p[axis]))]);
    const scale = Math.min(...ends.map(([low, high], axis) => room[axis] / (high - low || 1)));
    const middle = ends.map(([low, high]) => (low + high) / 2);
    return points.map(([x, y]) => [width / 2 + (x - middle[0]) * scale, PLANE_HEIGHT / 2 - (y - middle[1]) * scale]);
  }

  kind(index) {
    const { head, types } = this.reading;
    return head.special[index] ? "be-dot be-dot-special" : `be-dot be-dot-${types[index]}`;
  }

  /** A name beside each point, where there is a place for it that no point and no other name takes. */
  named(spots, width) {
    const taken = spots.map(([x, y]) => [x - 5, y - 5, x + 5, y + 5]);
    const free = (box) => box[0] > 2 && box[2] < width - 2 && box[1] > 2 && box[3] < PLANE_HEIGHT - 2
      && !taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1]); // prettier-ignore
    return spots.map(([x, y], index) => {
      const text = this.word(index);
      const length = text.length * LETTER;
      const tries = [[x + 8, y + 4], [x - 8 - length, y + 4], [x - length / 2, y - 9], [x - length / 2, y + 17]];
      const found = tries.find(([left, base]) => free([left, base - 10, left + length, base + 3]));
      if (!found) return null;
      taken.push([found[0], found[1] - 10, found[0] + length, found[1] + 3]);
      return shape("text", { x: found[0], y: found[1], class: "be-dot-name", "data-index": index }, text);
    });
  }

  word(index) {
    const token = this.reading.head.tokens[index];
    return token.length > 14 ? `${token.slice(0, 13)}…` : token;
  }

  mark(index) {
    this.at = index;
    if (!this.plane?.points) return;
    this.drawing.querySelectorAll("circle").forEach((dot, at) => dot.classList.toggle("be-here", at === index));
    this.names.forEach((name, at) => name?.classList.toggle("be-here", at === index));
    const [x, y] = this.spots[index] ?? [];
    const hidden = index === null || x === undefined || Boolean(this.names[index]);
    this.pointer.textContent = hidden ? "" : this.word(index);
    if (hidden) return;
    const right = x < this.drawing.clientWidth / 2;
    Object.entries({ x: right ? x + 9 : x - 9, y: y + 4, "text-anchor": right ? "start" : "end" }).forEach(([name, value]) => this.pointer.setAttribute(name, value));
  }
}

/** What the model would write in place of a word. */
class Guesses {
  constructor(fetchGuess, onFrame, guesser) {
    Object.assign(this, { fetchGuess, onFrame, token: null });
    this.asked = make("p", { class: "be-asked" });
    this.list = make("div", { class: "be-guesses", role: "list", "aria-label": "Guesses, likeliest first" });
    const note = guesser ? make("p", { class: "be-note", text: guesser }) : null;
    this.element = panel("What could stand there?", this.asked, this.list, ...(note ? [note] : []));
  }

  take(reading, token) {
    this.reading = reading;
    const masked = reading.head.tokens.indexOf("[MASK]");
    const chosen = token ?? (masked < 0 ? null : masked);
    if (chosen !== null) return this.choose(chosen);
    this.show(null);
    this.asked.textContent = "Click a token, or write [MASK] in the text: the model guesses the word from all the others.";
  }

  async choose(token) {
    if (!this.reading.offsets[token]) {
      this.show(null);
      this.asked.textContent = `${this.reading.head.tokens[token]} stands for no word: there is nothing to guess.`;
      return;
    }
    const { reading } = this;
    this.token = token;
    const guess = await this.fetchGuess(reading.number, token).catch((error) => ({ error: error.message }));
    if (reading !== this.reading || token !== this.token) return; // another was chosen meanwhile
    if (guess.answers) return this.show(guess);
    this.show(null);
    this.asked.textContent = guess.error;
  }

  show(guess) {
    this.guess = guess;
    this.token = guess?.token ?? null;
    this.onFrame(this.token);
    this.list.hidden = !guess;
    this.list.replaceChildren(...(guess?.answers ?? []).map(([answer, chance]) => this.bar(answer, chance)));
    const place = guess?.word === "[MASK]" ? [] : ["In place of ", make("strong", { text: `“${guess?.word}”` }), ": "];
    if (guess) this.asked.replaceChildren(...place, `“${clip(guess.asked)}”`);
  }

  bar(answer, chance) {
    const bar = make("span", { class: "be-chance-bar" });
    bar.style.width = `${100 * chance}%`;
    const same = answer.toLowerCase() === this.guess.word.toLowerCase();
    return make("div", { class: `be-guess${same ? " be-right" : ""}`, role: "listitem" },
      make("span", { class: "be-guess-word", text: answer }), make("span", { class: "be-chance-room", "aria-hidden": "true" }, bar),
      make("span", { class: "be-chance", text: percent(chance), "data-value": chance })); // prettier-ignore
  }
}

function percent(chance) {
  return chance < 0.001 ? "under 0.1 %" : `${(100 * chance).toFixed(1)} %`;
}

/** The text around its [MASK], where all of it would be too long. */
function clip(text) {
  const [start, end] = [text.indexOf("[MASK]") - 60, text.indexOf("[MASK]") + 66];
  return `${start > 0 ? "…" : ""}${text.slice(Math.max(0, start), end)}${end < text.length ? "…" : ""}`;
}

/** The parts of one reading, for its head view. */
class ReadingSource {
  constructor(source, number, onLost) {
    Object.assign(this, { source, number, onLost });
  }

  part(name) {
    return this.source.part(`${this.number}/${name}`).catch(() => {
      this.onLost(); // the kernel keeps the latest few readings only; the text is read anew
      return new Promise(() => {});
    });
  }

  exact(wanted) {
    return this.source.exact({ reading: this.number, ...wanted });
  }
}

/** Everything together: reads, hands what came to every part of the page, and lets them point at the same token. */
class Explorer {
  constructor(root, setup, source) {
    Object.assign(this, { root, setup, source, sequence: 0, done: 0, pointed: null });
    setup.name = "Explorer";
    root.classList.add("be-explorer");
    this.frame = new Frame(root, setup, () => this.tabulate());
    const live = setup.exact;
    const edit = (pause) => this.edit(pause);
    this.boxes = [
      new Box("Text", setup.texts[0], "Type a sentence", live, edit),
      new Box("Second text, if any", setup.texts[1], "A text to read beside the first", live, edit),
    ];
    this.texts = this.boxes.map((box) => box.area.value); // that were read
    this.frame.tableRoom.setAttribute("aria-label", "Table of tokens and heads"); // the lines have one too
    this.notes = make("div", { class: "be-notes", role: "status" });
    this.alert = make("div", { role: "alert" });
    this.strip = new Strip((index, byKey) => this.point(index, byKey), (index) => this.choose(index));
    this.headRoot = make("div", { class: "be-lines-room", role: "group" });
    const layers = setup.layers;
    this.statistics = new Statistics(setup, layers, (layer, head) => this.head.choose(layer, [head], `Layer ${layer}, head ${head}`));
    this.plane = new Plane(setup, (number, place) => this.fetchPlane(number, place), (number) => this.fetchLikeness(number), (index) => this.point(index, false), () => this.remember());
    this.guesses = setup.masked ? new Guesses((number, token) => this.fetchGuess(number, token), (token) => this.strip.frame(token), setup.guesser) : null;
    this.arrange();
  }

  arrange() {
    const { frame, setup } = this;
    const texts = make("div", { class: "be-texts" }, ...this.boxes.map((box) => box.element));
    this.boxes[1].element.hidden = !setup.exact && !setup.texts[1];
    const model = make("span", { class: "be-status", text: setup.model });
    const line = make("div", { class: "be-foot" }, frame.status, model);
    const still = setup.exact ? null : make("p", { class: "be-status", text: "A saved page: its texts stay as they are. In a notebook, be.explorer(bert) reads what you type." });
    frame.controls.append(...[texts, still, this.alert, this.notes, line].filter(Boolean));
    const side = make("div", { class: "be-side" }, ...[this.guesses, this.statistics, this.plane].filter(Boolean).map((part) => part.element));
    const lines = panel("Which token looks at which", this.headRoot);
    lines.classList.add("be-main");
    frame.body.append(this.strip.element, frame.readout, make("div", { class: "be-halves" }, lines, side));
    const whole = make("span", { class: "be-status", text: "All of it in words and numbers: the tokens, every head, the places in the plane." });
    frame.body.after(make("div", { class: "be-foot be-whole" }, whole, frame.tableButton));
  }

  // ---- reading ----

  edit(pause) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.read(), pause);
  }

  /** Reads what stands in the boxes. One question at a time; what was typed meanwhile is the next, the rest is left out. */
  async read() {
    this.sequence += 1;
    if (this.busy) return;
    this.busy = true;
    while (this.done !== this.sequence && !this.closed) {
      const { sequence } = this;
      await this.ask(sequence).catch((error) => sequence === this.sequence && this.fail(error));
      this.done = sequence;
    }
    this.busy = false;
  }

  async ask(sequence) {
    const asked = performance.now();
    const [text, pair] = this.boxes.map((box) => box.area.value);
    const { layer } = this.head.choice;
    const question = { ask: "read", sequence, text, pair, layer, place: this.plane.place };
    const answer = await this.source.ask(question);
    if (answer.sequence !== this.sequence || this.closed) return; // a later edit is on its way
    this.source.parts.put(`${answer.reading.number}/layer/${layer}`, answer.bytes);
    this.texts = [text, pair];
    await this.take(answer.reading, layer);
    await new Promise(requestAnimationFrame);
    if (sequence !== this.sequence) return;
    this.tell(performance.now() - asked);
    this.frame.say(this.frame.status.textContent);
    this.remember();
  }

  fail(error) {
    this.alert.replaceChildren(make("p", { class: "be-note", text: `That could not be read (${error.message}). Below stands what was read before.` }));
    this.root.dataset.failed = "true";
  }

  /** Shows a reading in every part of the page, with the choices of the one before. */
  async take(reading, layer) {
    this.reading = reading;
    this.pointed = null;
    this.alert.replaceChildren();
    delete this.root.dataset.failed;
    this.notes.replaceChildren(...reading.notes.map((text) => make("p", { class: "be-note", text })));
    this.strip.take(reading);
    this.statistics.take(reading);
    this.plane.take(reading);
    this.guesses?.take(reading, this.setup.token);
    this.setup.token = null;
    await this.mountHead(reading, layer);
    this.root.dataset.reading = reading.number;
    this.point(null, false);
    this.frame.refreshTable();
  }

  mountHead(reading, layer) {
    const { exact, layers, chosen } = this.setup;
    const setup = { ...reading.head, exact, layers, layer, chosen };
    const source = new ReadingSource(this.source, reading.number, () => this.read());
    const old = this.head;
    const [scrolled, open] = [old?.stage.window.scrollTop, old && !old.frame.tableRoom.hidden];
    old?.close();
    this.head = new HeadView(this.headRoot, setup, source, old?.choice.of(setup), (choice) => this.follow(choice));
    this.headRoot.dataset.theme = this.root.dataset.theme;
    return this.head.change({ layer }).then(() => {
      if (open) this.head.frame.toggleTable();
      if (scrolled) this.head.stage.window.scrollTop = scrolled;
    });
  }

  tell(whole) {
    const { milliseconds, head } = this.reading;
    const drawn = whole === undefined ? "" : `, on the page ${Math.round(whole)} ms after it was asked for`;
    this.frame.status.textContent = `${counted(head.tokens.length, "token")}, read in ${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms${drawn}`;
  }

  fetchPlane(reading, place) {
    if (!this.setup.exact) return Promise.resolve(this.setup.planes[place]);
    return this.source.ask({ ask: "plane", reading, place }).then(({ plane }) => plane, () => null);
  }

  fetchLikeness(reading) {
    if (!this.setup.exact) return Promise.resolve(this.setup.likeness);
    return this.source.ask({ ask: "likeness", reading }).then(({ likeness }) => likeness, () => null);
  }

  fetchGuess(reading, token) {
    const guess = this.setup.guesses?.[token];
    if (guess) return Promise.resolve(guess);
    if (!this.setup.exact) return Promise.reject(new Error("This saved page holds no guesses for so late a token."));
    return this.source.ask({ ask: "guess", reading, token }).then((answer) => answer.guess);
  }

  // ---- choosing and pointing ----

  choose(index) {
    this.guesses?.choose(index).then(() => this.frame.refreshTable()).then(() => this.remember());
  }

  /** What was chosen in the lines shows in the statistics too, and the token that is pointed at everywhere. */
  follow(choice) {
    this.statistics.mark(choice);
    const index = choice.focus?.index ?? null;
    if (index !== this.pointed) this.show(index, false);
    this.remember();
  }

  point(index, byKey) {
    if (index === this.pointed && index !== null && !byKey) return;
    this.show(index, byKey);
    const seen = this.head.weights.shown.includes(index); // special tokens may be hidden
    this.head.focusOn(seen ? { side: "query", index } : null, false);
    if (byKey && index !== null) this.frame.say(this.frame.readout.textContent);
  }

  show(index, scroll) {
    this.pointed = index;
    this.strip.mark(index, scroll);
    this.plane.mark(index);
    const { offsets, head } = this.reading;
    const range = index === null ? null : offsets[index];
    this.boxes.forEach((box, which) => {
      const current = box.area.value === this.texts[which]; // else what was read is not what stands there now
      box.underline(range && current && head.segments[index] === which ? range : null);
    });
    this.frame.readout.textContent = this.inWords(index);
  }

  inWords(index) {
    const { head, ids, types, offsets } = this.reading;
    if (index === null) {
      return `Point at a token for its characters in the text and for what it looks at${this.guesses ? "; click it to let the model guess it" : ""}.`;
    }
    const range = offsets[index];
    const where = range ? `characters ${range[0]} to ${range[1]} of the ${types[index] ? "second " : ""}text` : "not from the text";
    return `${named(head.tokens, index)}: id ${ids[index]}, type ${types[index]}, ${where}.`;
  }

  /** Tells the kernel what is shown, for `save`. */
  remember() {
    if (!this.setup.exact) return;
    clearTimeout(this.telling);
    const { layer } = this.head.choice;
    const question = { ask: "choose", layer, heads: this.head.choice.chosenHeads(), place: this.plane.place, token: this.guesses?.token ?? null };
    const words = JSON.stringify(question);
    if (words === this.told) return;
    this.telling = setTimeout(() => {
      this.told = words;
      this.source.ask(question).catch(() => {});
    }, 300);
  }

  // ---- the same in a table ----

  tabulate() {
    const { head, ids, types, offsets } = this.reading;
    const places = this.plane.plane.points;
    const number = (value) => ({ text: short(value), value: String(value) });
    const rows = head.tokens.map((token, index) => [
      token, String(ids[index]), String(types[index]), offsets[index] ? `${offsets[index][0]} to ${offsets[index][1]}` : "none",
      ...(places ? places[index].map(number) : []),
    ]); // prettier-ignore
    const tables = [table(`Tokens${places ? ", and their places in the plane" : ""}`, ["Token", "Id", "Type", "Characters", ...(places ? ["First direction", "Second"] : [])], rows)];
    const heads = this.statistics.rows();
    if (heads.length) {
      const names = this.setup.measures.map(([, words, unit]) => (unit ? `${words}, ${unit}` : words));
      tables.push(table(`${counted(heads.length, "head")}, as layer·head`, ["Head", "Called", ...names], heads));
    }
    const guess = this.guesses?.guess;
    if (guess) tables.push(table(`In place of “${guess.word}”`, ["Answer", "Probability"], guess.answers.map(([word, chance]) => [word, number(chance)])));
    return make("div", {}, ...tables);
  }

  redraw() {
    this.headRoot.dataset.theme = this.root.dataset.theme;
    this.head.draw();
    if (this.plane.element.clientWidth !== this.width) this.plane.draw();
    this.width = this.plane.element.clientWidth;
  }

  close() {
    this.closed = true;
    [this.timer, this.telling].forEach(clearTimeout);
    this.head.close();
    this.frame.close();
  }
}

export async function showView(root, setup, source) {
  const page = new Explorer(root, setup, source);
  await page.take(setup.reading, setup.layer);
  page.tell();
  return { redraw: () => page.redraw(), close: () => page.close() };
}
