// Explorer: a text, or two, read again at every edit; its tokens, its heads as lines and in numbers, its vectors.
// It knows a `Reader`, and nothing of where that is. An edit that came later makes an earlier answer stale.

import { make, panel, table } from "./elements.js";
import { PredictionsPanel } from "./explorer_predictions.js";
import { ProjectionPanel } from "./explorer_projection.js";
import { StatisticsPanel } from "./explorer_statistics.js";
import { Box, Strip } from "./explorer_texts.js";
import { Frame } from "./frame.js";
import { HeadView } from "./head.js";
import { Choice } from "./lines.js";
import { counted, named, range, written } from "./numbers.js";
import { KernelReader, SavedReader } from "./reader.js";

/** Everything together: reads, hands what came to every part of the page, and lets them point at the same token. */
class Explorer {
  /** @param {HTMLElement} root @param {ExplorerState} state @param {Reader} reader @param {ReadText} text */
  constructor(root, state, reader, text) {
    const { description, layers, exact: live } = state;
    this.root = root;
    this.state = state;
    this.reader = reader;
    this.text = text;
    this.sequence = 0; // of the latest edit
    this.done = 0; // of the latest that was read
    this.busy = false;
    this.closed = false;
    this.timer = 0;
    this.telling = 0;
    this.told = "";
    this.width = 0;
    /** @type {number | null} */
    this.pointed = null;
    /** @type {HeadView | null} */
    this.head = null;
    root.classList.add("be-explorer");
    this.frame = new Frame(root, state, "Explorer", () => this.tabulate());
    /** @type {(pause: number) => void} */
    const edit = (pause) => this.edit(pause);
    const [first, second] = text.message.texts;
    this.boxes = [
      new Box("Text", first, "Type a sentence", live, edit),
      new Box("Second text, if any", second, "A text to read beside the first", live, edit),
    ];
    this.frame.tableRoom.setAttribute("aria-label", "Table of tokens and heads"); // the lines have one too
    this.notes = make("div", { class: "be-notes", role: "status" });
    this.alert = make("div", { role: "alert" });
    this.strip = new Strip((index, byKey) => this.point(index, byKey), (index) => this.choose(index));
    this.headRoot = make("div", { class: "be-lines-room", role: "group" });
    this.statistics = new StatisticsPanel(description, layers, (layer, head) => {
      this.head?.choose(layer, [head], `Layer ${layer}, head ${head}`);
    });
    this.projection = new ProjectionPanel(description.num_layers, state.place, (index) => this.point(index, false), () => this.remember());
    this.predictions = description.can_fill_mask
      ? new PredictionsPanel(reader, description.fill_mask_note, (token) => this.strip.frame(token))
      : null;
    this.arrange();
  }

  arrange() {
    const { frame, state } = this;
    const { num_layers, num_heads, hidden_size } = state.description;
    const texts = make("div", { class: "be-texts" }, ...this.boxes.map((box) => box.element));
    this.boxes[1].element.hidden = !state.exact && !this.text.message.texts[1];
    const model = make("span", { class: "be-status", text: `${num_layers} layers of ${num_heads} heads, ${hidden_size} wide` });
    const line = make("div", { class: "be-foot" }, frame.status, model);
    const still = make("p", { class: "be-status", text: "A saved page: its texts stay as they are. In a notebook, be.explorer(bert) reads what you type." });
    frame.controls.append(texts, ...(state.exact ? [] : [still]), this.alert, this.notes, line);
    const panels = [this.predictions, this.statistics, this.projection].map((one) => one?.element);
    const lines = panel("Which token looks at which", this.headRoot);
    lines.classList.add("be-main");
    const halves = make("div", { class: "be-halves" }, lines, make("div", { class: "be-side" }, ...panels));
    frame.body.append(this.strip.element, frame.readout, halves);
    const whole = make("span", { class: "be-status", text: "All of it in words and numbers: the tokens, every head, the places in the plane." });
    frame.body.after(make("div", { class: "be-foot be-whole" }, whole, frame.tableButton));
  }

  // ---- reading ----

  /** @param {number} pause */
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

  /** @param {number} sequence */
  async ask(sequence) {
    const asked = performance.now();
    const [text, pair] = this.boxes.map((box) => box.area.value);
    const layer = this.head?.choice.layer ?? this.state.layer;
    const read = await this.reader.read(text, pair, {});
    if (sequence !== this.sequence || this.closed) return; // a later edit is on its way
    await this.take(read, layer, null);
    await new Promise(requestAnimationFrame);
    if (sequence !== this.sequence) return;
    this.tell(performance.now() - asked);
    this.frame.say(this.frame.status.textContent);
    this.remember();
  }

  /** @param {Error} error */
  fail(error) {
    this.alert.replaceChildren(make("p", { class: "be-note", text: `That could not be read (${error.message}). Below stands what was read before.` }));
    this.root.dataset.failed = "true";
  }

  /**
   * Shows a text in every part of the page, with the choices of the one before.
   * @param {ReadText} text
   * @param {number} layer
   * @param {number | null} token whose word is predicted
   */
  async take(text, layer, token) {
    const { message } = text;
    this.text = text;
    this.pointed = null;
    this.alert.replaceChildren();
    delete this.root.dataset.failed;
    this.notes.replaceChildren(...message.notes.map((words) => make("p", { class: "be-note", text: words })));
    this.strip.take(message);
    this.statistics.take(message);
    const projected = this.projection.take(text);
    this.predictions?.take(text, token);
    await Promise.all([projected, this.mountHead(text, layer)]);
    this.root.dataset.reading = String(this.sequence);
    this.point(null, false);
    this.frame.refreshTable();
  }

  /** @param {ReadText} text @param {number} layer */
  async mountHead({ message, attention }, layer) {
    const { exact, layers, heads, description } = this.state;
    const { tokens, special, segments, signed } = message;
    const chosen = heads ?? range(description.num_heads);
    /** @type {HeadSetup} */
    const setup = { title: null, notes: [], exact, layers, layer, tokens, special, segments, signed, chosen, heads: description.num_heads };
    /** @type {Attention} */
    const kept = {
      layer: (wanted) => attention.layer(wanted).catch(() => {
        this.read(); // the reader keeps the latest few texts only; this one is read anew
        return new Promise(() => {});
      }),
      exact: attention.exact,
    }; // prettier-ignore
    const old = this.head;
    const [scrolled, open] = [old?.stage.window.scrollTop, old && !old.frame.tableRoom.hidden];
    old?.close();
    const choice = old ? old.choice.of(setup) : new Choice(setup);
    const head = new HeadView(this.headRoot, setup, kept, choice, (changed) => this.follow(changed));
    this.head = head;
    this.headRoot.dataset.theme = this.root.dataset.theme;
    await head.change({ layer });
    if (open) head.frame.toggleTable();
    if (scrolled) head.stage.window.scrollTop = scrolled;
  }

  /** @param {number} [whole] milliseconds from the question to the drawing */
  tell(whole) {
    const { milliseconds, tokens } = this.text.message;
    const drawn = whole === undefined ? "" : `, on the page ${Math.round(whole)} ms after it was asked for`;
    this.frame.status.textContent = `${counted(tokens.length, "token")}, read in ${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms${drawn}`;
  }

  // ---- choosing and pointing ----

  /** @param {number} index */
  async choose(index) {
    await this.predictions?.choose(index);
    this.frame.refreshTable();
    this.remember();
  }

  /** What was chosen in the lines shows in the statistics too, and the token that is pointed at everywhere. @param {Choice} choice */
  follow(choice) {
    this.statistics.mark(choice);
    const index = choice.focus?.index ?? null;
    if (index !== this.pointed) this.show(index, false);
    this.remember();
  }

  /** @param {number | null} index @param {boolean} byKey */
  point(index, byKey) {
    if (index === this.pointed && index !== null && !byKey) return;
    this.show(index, byKey);
    const seen = index !== null && this.head?.weights.shown.includes(index); // special tokens may be hidden
    this.head?.focusOn(seen ? { side: "query", index } : null, false);
    if (byKey && index !== null) this.frame.say();
  }

  /** @param {number | null} index @param {boolean} scroll */
  show(index, scroll) {
    this.pointed = index;
    this.strip.mark(index, scroll);
    this.projection.mark(index);
    const { offsets, segments, texts } = this.text.message;
    this.boxes.forEach((box, which) => {
      const current = box.area.value === texts[which]; // else what was read is not what stands there now
      box.underline(index !== null && current && segments[index] === which ? offsets[index] : null);
    });
    this.frame.readout.textContent = this.inWords(index);
  }

  /** @param {number | null} index */
  inWords(index) {
    const { tokens, ids, type_ids, offsets } = this.text.message;
    if (index === null) {
      return `Point at a token for its characters in the text and for what it looks at${this.predictions ? "; click it to let the model predict it" : ""}.`;
    }
    const range = offsets[index];
    const where = range ? `characters ${range[0]} to ${range[1]} of the ${type_ids[index] ? "second " : ""}text` : "not from the text";
    return `${named(tokens, index)}: id ${ids[index]}, type ${type_ids[index]}, ${where}.`;
  }

  /** Tells the reader what is shown, where it wants to know. */
  remember() {
    const { head } = this;
    if (!this.reader.remember || !head) return;
    clearTimeout(this.telling);
    /** @type {PageChoice} */
    const choice = { layer: head.choice.layer, heads: head.choice.chosenHeads(), place: this.projection.place, token: this.predictions?.token ?? null };
    const words = JSON.stringify(choice);
    if (words === this.told) return;
    this.telling = setTimeout(() => {
      this.told = words;
      this.reader.remember?.(choice);
    }, 300);
  }

  // ---- the same in a table ----

  tabulate() {
    const { tokens, ids, type_ids, offsets } = this.text.message;
    const { points } = this.projection.projection;
    const rows = tokens.map((token, index) => [
      token, String(ids[index]), String(type_ids[index]), offsets[index]?.join(" to ") ?? "none",
      ...(points?.[index] ?? []).map((value) => written(value)),
    ]); // prettier-ignore
    const head = ["Token", "Id", "Type", "Characters", ...(points ? ["First direction", "Second"] : [])];
    const tables = [table(`Tokens${points ? ", and their places in the plane" : ""}`, head, rows)];
    const heads = this.statistics.rows();
    if (heads.length) {
      const names = this.state.description.measures.map(([, words, unit]) => (unit ? `${words}, ${unit}` : words));
      tables.push(table(`${counted(heads.length, "head")}, as layer·head`, ["Head", "Called", ...names], heads));
    }
    const prediction = this.predictions?.prediction;
    if (prediction) {
      const answers = prediction.answers.map(([word, probability]) => [word, written(probability)]);
      tables.push(table(`In place of “${prediction.word}”`, ["Answer", "Probability"], answers));
    }
    return make("div", {}, ...tables);
  }

  redraw() {
    this.headRoot.dataset.theme = this.root.dataset.theme;
    this.head?.draw();
    if (this.projection.element.clientWidth !== this.width) this.projection.draw();
    this.width = this.projection.element.clientWidth;
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    clearTimeout(this.telling);
    this.head?.close();
    this.frame.close();
  }
}

/**
 * Shows the explorer over any reader, with `text` first.
 * @param {HTMLElement} root @param {ExplorerState} state @param {Reader} reader @param {ReadText} text
 * @returns {Promise<Shown>}
 */
async function explore(root, state, reader, text) {
  const page = new Explorer(root, state, reader, text);
  await page.take(text, state.layer, state.token);
  page.tell();
  return { redraw: () => page.redraw(), close: () => page.close() };
}

/** @type {ShowView} */
async function showView(root, state, source) {
  const reader = state.exact ? new KernelReader(source, state) : new SavedReader(source, state);
  return explore(root, state, reader, reader.first);
}

export { explore, showView };
