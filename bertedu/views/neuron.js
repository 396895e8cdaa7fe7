// Neuron view: one token's query against every key, number by number, then summed, then through the softmax.

import {
  Frame, counted, group, make, named, numbers, oncePerFrame, sharp, short, shortest, stepper, styled, table, unpack,
  written,
} from "./common.js";

const PITCH = 24;
const STAGE_HEIGHT = 520;
const SCALES = { light: [[200, 79, 0], [255, 255, 255], [0, 95, 163]], dark: [[255, 154, 99], [27, 32, 39], [108, 180, 238]] };

/** The softmax of `logits`; masked keys get 0. Summed in double precision. */
export function softmax(logits, mask) {
  const allowed = (index) => !mask || mask[index];
  const largest = Math.max(...logits.filter((_, index) => allowed(index)));
  const powers = Array.from(logits, (logit, index) => (allowed(index) ? Math.exp(logit - largest) : 0));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

/** What one query does with the keys of a head: products [T, H], their scaled sums [T], and the weights [T]. */
function meeting({ queries, keys }, token, { width, mask, tokens }) {
  const query = queries.subarray(token * width, (token + 1) * width);
  const products = keys.map((value, i) => value * query[i % width]);
  const logits = tokens.map((_, key) => {
    let sum = 0; // from the numbers themselves: the products above are rounded to float32
    for (let i = 0; i < width; i += 1) sum += query[i] * keys[key * width + i];
    return sum / Math.sqrt(width);
  });
  return { query, products, logits, weights: softmax(logits, mask) };
}

/** Numbers as an image, a pixel each, on a scale from -`most` to `most`. */
function image(values, width, most, stops) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = values.length / width;
  const context = canvas.getContext("2d");
  const data = context.createImageData(canvas.width, canvas.height);
  values.forEach((value, i) => {
    const share = Math.min(1, Math.abs(value) / (most || 1));
    const end = stops[value < 0 ? 0 : 2];
    for (let c = 0; c < 3; c += 1) data.data[4 * i + c] = stops[1][c] + (end[c] - stops[1][c]) * share;
    data.data[4 * i + 3] = 255;
  });
  context.putImageData(data, 0, 0);
  return canvas;
}

function furthest(values) {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
}

/** A row for each key: its token, its numbers, the products, the sum and the weight. */
class Stage {
  constructor(root, setup, onPlace) {
    Object.assign(this, { root, setup, onPlace, place: null });
    this.canvas = make("canvas", { class: "be-lines", "aria-hidden": "true" });
    this.list = make("div", { class: "be-keys", role: "listbox", tabindex: 0, "aria-label": `Keys, with q·k/√${setup.width} and softmax` });
    this.rows = setup.tokens.map((token, index) => this.row(token, index));
    this.list.append(...this.rows.map(({ element }) => element));
    this.window = make("div", { class: "be-window" }, this.canvas, this.list);
    const height = Math.min(STAGE_HEIGHT, setup.tokens.length * PITCH);
    this.window.style.height = `${height}px`;
    this.list.style.marginTop = `${-height}px`;
    this.query = make("canvas", { class: "be-query-strip", "aria-hidden": "true" });
    this.queryName = make("span", { class: "be-key-name" });
    const head = (words) => make("span", { class: "be-label", text: words });
    const own = setup.attention ? head("model’s") : null;
    this.head = make("div", { class: "be-neuron-row be-neuron-head", "aria-hidden": "true" },
      head("key"), make("span", { class: "be-strips" }, head("k"), head("q × k")), head(`q·k/√${setup.width}`), head("softmax"), own); // prettier-ignore
    this.top = make("div", { class: "be-neuron-row be-neuron-top" }, this.queryName, this.query);
    this.element = make("div", { class: "be-neuron" }, this.top, this.head, this.window);
    this.element.classList.toggle("be-with-own", setup.attention);
    this.paintSoon = oncePerFrame(() => this.paint());
    this.listen();
  }

  row(token, index) {
    const name = make("span", { class: "be-key-name", text: token });
    const [logit, weight, own] = ["be-logit", "be-weight", "be-own"].map((kind) => make("span", { class: kind }));
    const id = `${this.root.id}-key-${index}`;
    const parts = [name, make("span"), logit, weight, ...(this.setup.attention ? [own] : [])];
    const element = make("div", { class: "be-neuron-row", role: "option", id, "aria-selected": "false" }, ...parts);
    return { element, logit, weight, own };
  }

  listen() {
    this.window.addEventListener("scroll", this.paintSoon, { passive: true });
    const over = (event) => this.onPlace(this.under(event), false);
    this.list.addEventListener("pointermove", over);
    this.list.addEventListener("pointerdown", over);
    this.list.addEventListener("pointerleave", () => document.activeElement !== this.list && this.onPlace(null, false));
    this.list.addEventListener("blur", () => this.onPlace(null, false));
    this.list.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const steps = { ArrowDown: [1, 0], ArrowUp: [-1, 0], PageDown: [10, 0], PageUp: [-10, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };
    if (event.key === "Escape") return this.onPlace(null, true);
    if (!(event.key in steps)) return;
    event.preventDefault();
    const most = [this.setup.tokens.length - 1, this.setup.width - 1];
    const step = this.place ? steps[event.key] : [0, 0];
    const [row, dimension] = (this.place ?? [0, 0]).map((at, axis) => Math.max(0, Math.min(most[axis], at + step[axis])));
    this.onPlace([row, dimension], true);
  }

  /** The key and the dimension under the pointer; in the products' strip or the keys', else only the key. */
  under(event) {
    const row = Math.floor((event.clientY - this.list.getBoundingClientRect().top) / PITCH);
    if (row < 0 || row >= this.setup.tokens.length) return null;
    const { left, strip, gap } = this.measure();
    const x = event.clientX - this.window.getBoundingClientRect().left - left;
    const at = x >= strip + gap ? x - strip - gap : x;
    const dimension = x >= 0 && at >= 0 && at < strip ? Math.floor((at / strip) * this.setup.width) : null;
    return [row, dimension];
  }

  /** Where the strips are, in pixels from the window's left. */
  measure() {
    const cell = this.rows[0].element.children[1].getBoundingClientRect();
    const left = cell.left - this.window.getBoundingClientRect().left;
    const gap = 14;
    return { left, gap, strip: (cell.width - gap) / 2, end: left + cell.width };
  }

  /** Takes over a head's numbers and a query's meeting with them, and writes the sums and weights. */
  show(head, met, own, token) {
    const { width } = this.setup;
    const stops = SCALES[this.root.dataset.theme] ?? SCALES.light;
    const most = Math.max(furthest(head.keys), furthest(head.queries));
    Object.assign(this, { met, keys: image(head.keys, width, most, stops) });
    this.products = image(met.products, width, furthest(met.products), stops);
    this.strip = image(met.query, width, most, stops);
    this.largest = Math.max(...met.weights);
    this.queryName.textContent = `q of ${named(this.setup.tokens, token)}`;
    this.rows.forEach(({ logit, weight, own: model }, key) => {
      const masked = this.setup.mask && !this.setup.mask[key];
      logit.textContent = masked ? "masked" : short(met.logits[key]);
      weight.textContent = short(met.weights[key]);
      weight.dataset.value = met.weights[key];
      logit.dataset.value = met.logits[key];
      if (own) model.textContent = short(own[key]);
    });
    this.paintSoon();
  }

  mark(place, scroll) {
    this.rows[this.place?.[0]]?.element.setAttribute("aria-selected", "false");
    this.place = place;
    const row = this.rows[place?.[0]];
    row?.element.setAttribute("aria-selected", "true");
    if (row) this.list.setAttribute("aria-activedescendant", row.element.id);
    else this.list.removeAttribute("aria-activedescendant");
    if (row && scroll) {
      const top = place[0] * PITCH;
      const { scrollTop, clientHeight } = this.window;
      if (top < scrollTop) this.window.scrollTop = top;
      else if (top + PITCH > scrollTop + clientHeight) this.window.scrollTop = top + PITCH - clientHeight;
    }
    this.paintSoon();
  }

  paint() {
    if (!this.met || !this.window.clientWidth) return;
    const [width, height] = [this.window.clientWidth, this.window.clientHeight];
    const context = sharp(this.canvas, width, height);
    context.imageSmoothingEnabled = false;
    const { left, strip, gap, end } = this.measure();
    const scrolled = this.window.scrollTop;
    const dimensions = this.setup.width;
    const weight = this.rows[0].weight.getBoundingClientRect();
    const barLeft = weight.left - this.window.getBoundingClientRect().left;
    const accent = styled(this.root, "--be-accent");
    for (let key = Math.floor(scrolled / PITCH); key < Math.min(this.rows.length, (scrolled + height) / PITCH); key += 1) {
      const y = key * PITCH - scrolled;
      context.drawImage(this.keys, 0, key, dimensions, 1, left, y + 4, strip, PITCH - 8);
      context.drawImage(this.products, 0, key, dimensions, 1, left + strip + gap, y + 4, strip, PITCH - 8);
      context.fillStyle = accent;
      context.globalAlpha = 0.25;
      context.fillRect(barLeft, y + 4, (this.met.weights[key] / this.largest) * weight.width, PITCH - 8);
      context.globalAlpha = 1;
    }
    this.frames(context, [left, left + strip + gap], strip, scrolled);
    this.paintQuery(strip, end);
  }

  /** Frames the dimension that is pointed at, in both strips. */
  frames(context, lefts, strip, scrolled) {
    if (!this.place || this.place[1] === null) return;
    const cell = strip / this.setup.width;
    context.strokeStyle = styled(this.root, "--be-text");
    context.lineWidth = 1.5;
    for (const left of lefts) {
      context.strokeRect(left + this.place[1] * cell - 1, this.place[0] * PITCH - scrolled + 2, cell + 2, PITCH - 4);
    }
  }

  paintQuery(strip) {
    const context = sharp(this.query, strip, PITCH - 8);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.strip, 0, 0, strip, PITCH - 8);
    if (!this.place || this.place[1] === null) return;
    const cell = strip / this.setup.width;
    context.strokeStyle = styled(this.root, "--be-text");
    context.lineWidth = 1.5;
    context.strokeRect(this.place[1] * cell, 0.75, cell, PITCH - 9.5);
  }
}

class NeuronView {
  constructor(root, setup, source) {
    const { layer, head, token } = setup;
    Object.assign(this, { root, setup, source, layer, head, token });
    setup.name = "Neuron view";
    root.classList.add("be-neuron-view"); // what its own style sheet begins with
    root.id ||= `be-neuron-${Math.random().toString(36).slice(2)}`;
    this.frame = new Frame(root, setup, () => this.tabulate());
    this.stage = new Stage(root, setup, (place, byKey) => this.point(place, byKey));
    const heads = Array.from({ length: setup.heads }, (_, number) => number);
    const change = (name) => (value) => this.change({ [name]: value });
    const [layers, numbered] = [stepper("Layer", setup.layers, layer, change("layer")), stepper("Head", heads, head, change("head"))];
    const places = setup.tokens.map((_, index) => index);
    const tokens = stepper("Token", places, token, change("token"));
    tokens.element.querySelectorAll("option").forEach((option, index) => (option.textContent = `${index}  ${setup.tokens[index].slice(0, 24)}`));
    this.frame.controls.append(make("div", { class: "be-row" }, group("Layer", layers.element), group("Head", numbered.element), group("Token that looks", tokens.element)));
    this.frame.body.append(this.stage.element);
  }

  async change(changes) {
    Object.assign(this, changes);
    const wanted = `${this.layer}/${this.head}`;
    if (this.loaded !== wanted) {
      const head = this.unpacked(await this.source.part(`head/${wanted}`));
      if (wanted !== `${this.layer}/${this.head}`) return; // another was chosen meanwhile
      Object.assign(this, { loaded: wanted, data: head, exact: false });
    }
    this.meet();
    this.frame.say(this.frame.readout.textContent);
    if (this.setup.exact) await this.refine(wanted, this.token);
  }

  unpacked(bytes) {
    const { width, tokens, attention } = this.setup;
    const count = tokens.length;
    const length = count * (width + 8);
    const part = (offset, columns) => numbers(unpack(bytes, count, columns, offset));
    return { queries: part(0, width), keys: part(length, width), own: attention ? part(2 * length, count) : null };
  }

  /** Puts the exact numbers in the place of the rounded ones. */
  async refine(wanted, token) {
    const { layer, head } = this;
    const asked = [this.exact ? null : this.source.exact({ layer, head })];
    if (this.setup.attention) asked.push(this.source.exact({ layer, head, index: token }));
    const [both, own] = await Promise.all(asked).catch(() => []);
    if (wanted !== `${this.layer}/${this.head}` || token !== this.token) return;
    const count = this.setup.tokens.length;
    if (both) Object.assign(this.data, { queries: both.subarray(0, both.length / 2), keys: both.subarray(both.length / 2) });
    if (own) this.data.own.set(own, token * count);
    if (both) this.exact = true;
    this.meet();
  }

  meet() {
    const count = this.setup.tokens.length;
    this.met = meeting(this.data, this.token, this.setup);
    this.own = this.data.own?.subarray(this.token * count, (this.token + 1) * count);
    this.stage.show(this.data, this.met, this.own, this.token);
    this.tell();
  }

  point(place, byKey) {
    if (place?.join() === this.stage.place?.join()) return;
    this.stage.mark(place, byKey);
    this.tell();
    if (byKey) this.frame.say(this.frame.readout.textContent);
  }

  tell() {
    this.frame.readout.textContent = this.inWords();
    const difference = this.own ? Math.max(...this.own.map((value, key) => Math.abs(value - this.met.weights[key]))) : 0;
    const own = this.own ? `; the model’s own differ by at most ${short(difference)}` : "";
    const kind = this.exact ? "exact numbers" : "numbers rounded to 8 bits";
    this.frame.status.textContent = `${counted(this.setup.width, "number")} a token, ${kind}${own}`;
    this.root.dataset.exact = String(Boolean(this.exact));
    this.frame.refreshTable();
  }

  inWords() {
    const { tokens, width } = this.setup;
    const { logits, weights, products, query } = this.met;
    const digits = this.exact ? shortest : short;
    const place = this.stage.place;
    if (!place) {
      const best = weights.indexOf(Math.max(...weights));
      return `${named(tokens, this.token)} looks most at ${named(tokens, best)}: q·k/√${width} = ${short(logits[best])}, softmax ${short(weights[best])}.`;
    }
    const [key, dimension] = place;
    const sum = `${named(tokens, this.token)} and ${named(tokens, key)}: q·k/√${width} = ${short(logits[key])}, softmax ${short(weights[key])}`;
    if (dimension === null) return `${sum}.`;
    const at = key * width + dimension;
    return `Number ${dimension}: q ${digits(query[dimension])} × k ${digits(this.data.keys[at])} = ${short(products[at])}. ${sum}.`;
  }

  tabulate() {
    const { tokens, width } = this.setup;
    const exact = Boolean(this.exact);
    const caption = `Layer ${this.layer}, head ${this.head}: ${named(tokens, this.token)} and every key (${exact ? "exact" : "rounded to 8 bits"})`;
    const own = this.own ? ["Model’s"] : [];
    const rows = tokens.map((token, key) => [
      token, written(this.met.logits[key], exact), written(this.met.weights[key], exact),
      ...(this.own ? [written(this.own[key], exact)] : []),
    ]); // prettier-ignore
    const place = this.stage.place?.[0] ?? 0;
    const at = (i) => place * width + i;
    const products = Array.from({ length: width }, (_, i) => [
      String(i), ...[this.met.query[i], this.data.keys[at(i)], this.met.products[at(i)]].map((value) => written(value, exact)),
    ]); // prettier-ignore
    return make("div", {},
      table(caption, ["Key", `q·k/√${width}`, "Softmax", ...own], rows),
      table(`The ${width} numbers with ${named(tokens, place)}`, ["Number", "q", "k", "q × k"], products)); // prettier-ignore
  }
}

export async function showView(root, setup, source) {
  const view = new NeuronView(root, setup, source);
  const first = view.change({});
  await (setup.exact ? source.part(`head/${setup.layer}/${setup.head}`) : first);
  return {
    redraw: () => view.met && view.stage.show(view.data, view.met, view.own, view.token),
    chosen: () => ({ layer: view.layer, head: view.head, token: view.token }),
    close: () => view.frame.close(),
  };
}
