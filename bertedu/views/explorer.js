// Explorer: reads one or two texts as you type, and shows tokens, attention, head statistics, predictions and vectors.
// It depends only on a `Reader`. Answers to older edits are ignored.

import { make, panel } from "./elements.js";
import { PredictionsPanel } from "./explorer_predictions.js";
import { ProjectionPanel } from "./explorer_projection.js";
import { StatisticsPanel } from "./explorer_statistics.js";
import { SwitchesPanel, headsOff } from "./explorer_switches.js";
import { explorerTables } from "./explorer_tables.js";
import { TextBox, TokenStrip } from "./explorer_texts.js";
import { Frame } from "./frame.js";
import { Ghost } from "./ghost.js";
import { HeadView } from "./head.js";
import { Choice } from "./lines.js";
import { counted, quoted, range } from "./numbers.js";
import { KernelReader, SavedReader } from "./reader.js";

/** The explorer: reads texts, passes the results to the panels, and synchronizes layer, heads and token in focus. */
class Explorer {
  /** @param {HTMLElement} root @param {ExplorerState} state @param {Reader} reader @param {ReadText} text */
  constructor(root, state, reader, text) {
    const { description, layers, exact: live } = state;
    this.root = root;
    this.state = state;
    this.reader = reader;
    this.text = text;
    this.sequence = 0; // of the latest edit
    this.done = 0; // of the latest edit that was read
    this.busy = false;
    this.closed = false;
    this.timer = 0;
    this.rememberTimer = 0;
    this.remembered = "";
    this.width = 0;
    /** @type {number | null} */
    this.focus = null;
    /** @type {HeadView | null} */
    this.head = null;
    root.classList.add("be-explorer");
    this.frame = new Frame(root, state, "Explorer", () => this.tabulate());
    /** @type {(pause: number) => void} */
    const edit = (pause) => this.edit(pause);
    const [first, second] = text.message.texts;
    this.boxes = [
      new TextBox("Text", first, "Type a sentence", live, edit),
      new TextBox("Second text, if any", second, "A second text, for a pair", live, edit),
    ];
    this.frame.tableRoom.setAttribute("aria-label", "Table of tokens and heads"); // the head view has a table, too
    this.notes = make("div", { class: "be-notes", role: "status" });
    this.alert = make("div", { role: "alert" });
    this.strip = new TokenStrip((index, byKey) => this.point(index, byKey), (index) => this.choose(index));
    this.headRoot = make("div", { class: "be-lines-room", role: "group" });
    this.statistics = new StatisticsPanel(description, layers, (layer, head) => {
      this.head?.choose(layer, [head], `Layer ${layer}, head ${head}`);
    });
    this.projection = new ProjectionPanel(description.num_layers, state.hidden_state, (index) => this.point(index, false), () => this.remember());
    this.news = ""; // about the switch that was changed last
    this.switches = new SwitchesPanel(description, live, text.message.edits, (message) => {
      this.news = `${message}. `;
      this.edit(0);
    });
    this.predictions = description.can_fill_mask
      ? new PredictionsPanel(reader, description.fill_mask_note, (token) => this.strip.markPredicted(token))
      : null;
    this.arrange();
  }

  arrange() {
    const { frame, state } = this;
    const { num_layers, num_heads, hidden_size } = state.description;
    const texts = make("div", { class: "be-texts" }, ...this.boxes.map((box) => box.element));
    this.boxes[1].element.hidden = !state.exact && !this.text.message.texts[1];
    const model = make("span", { class: "be-status", text: `${num_layers} layers of ${num_heads} heads, hidden size ${hidden_size}` });
    const line = make("div", { class: "be-foot" }, frame.status, model);
    const note = make("p", { class: "be-status", text: "This is a saved page, so its texts are read-only. In a notebook, be.explorer(bert) reads what you type." });
    frame.controls.append(texts, ...(state.exact ? [] : [note]), this.alert, this.notes, line);
    const panels = [this.predictions, this.statistics, this.projection].map((one) => one?.element);
    const main = make("div", { class: "be-main" }, panel("Attention weights", this.headRoot), this.switches.element);
    const halves = make("div", { class: "be-halves" }, main, make("div", { class: "be-side" }, ...panels));
    frame.body.append(this.strip.element, frame.readout, halves);
    const summary = make("span", { class: "be-status", text: "The same as tables: tokens, principal components, and statistics of every head." });
    frame.body.after(make("div", { class: "be-foot be-whole" }, summary, frame.tableButton));
  }

  // ---- reading ----

  /** @param {number} pause */
  edit(pause) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.read(), pause);
  }

  /** Reads the text boxes, one request at a time; after an answer it reads the latest text only. */
  async read() {
    this.sequence += 1;
    if (this.busy) return;
    this.busy = true;
    while (this.done !== this.sequence && !this.closed) {
      const { sequence } = this;
      await this.ask(sequence).catch((error) => sequence === this.sequence && this.showError(error));
      this.done = sequence;
    }
    this.busy = false;
  }

  /** @param {number} sequence */
  async ask(sequence) {
    const start = performance.now();
    const [text, pair] = this.boxes.map((box) => box.area.value);
    const layer = this.head?.choice.layer ?? this.state.layer;
    const read = await this.reader.read(text, pair, this.switches.edits);
    if (sequence !== this.sequence || this.closed) return; // there is a later edit
    const same = read.message.texts.join("\n\n") === this.text.message.texts.join("\n\n");
    await this.showText(read, layer, same ? (this.predictions?.token ?? null) : null);
    await new Promise(requestAnimationFrame);
    if (sequence !== this.sequence) return;
    this.updateStatus(performance.now() - start);
    this.frame.announce(this.news + this.frame.status.textContent);
    this.news = "";
    if (same) this.remembered = ""; // the kernel forgets the token at every text
    this.remember();
  }

  /** @param {Error} error */
  showError(error) {
    this.alert.replaceChildren(make("p", { class: "be-note", text: `The text could not be read (${error.message}). The page still shows the previous text.` }));
    this.root.dataset.failed = "true";
  }

  /**
   * Shows a text in all panels, and keeps the current choices.
   * @param {ReadText} text
   * @param {number} layer
   * @param {number | null} token whose word is predicted
   */
  async showText(text, layer, token) {
    const { message } = text;
    this.text = text;
    this.focus = null;
    this.alert.replaceChildren();
    delete this.root.dataset.failed;
    this.notes.replaceChildren(...message.notes.map((note) => make("p", { class: "be-note", text: note })));
    this.strip.setText(message);
    this.statistics.setText(message);
    const mounted = this.mountHead(text, layer); // in the order of their time in the kernel: the similarity takes longest
    this.predictions?.setText(text, token);
    const projected = this.projection.setText(text);
    await Promise.all([projected, mounted]);
    this.root.dataset.reading = String(this.sequence);
    this.point(null, false);
    this.frame.refreshTable();
  }

  /** @param {ReadText} text @param {number} layer */
  async mountHead({ message, attention, original }, layer) {
    const { exact, layers, heads, description } = this.state;
    const { tokens, special, segments, signed } = message;
    const chosen = heads ?? range(description.num_heads);
    /** @type {HeadSetup} */
    const setup = { title: null, notes: [], exact, layers, layer, tokens, special, segments, signed, chosen, heads: description.num_heads };
    /** @type {(attention: Attention) => Attention} */
    const renewed = ({ layer, exact }) => ({
      layer: (index) => layer(index).catch(() => {
        this.read(); // the reader caches only the latest texts, so read this one again
        return new Promise(() => {});
      }),
      exact,
    }); // prettier-ignore
    const off = (/** @type {number} */ index) => headsOff(message.edits, index, description.num_heads);
    const ghost = original && new Ghost(renewed(original), off);
    const old = this.head;
    const [scrolled, open] = [old?.stage.window.scrollTop, old && !old.frame.tableRoom.hidden];
    old?.close();
    const choice = old ? old.choice.of(setup) : new Choice(setup);
    const head = new HeadView(this.headRoot, setup, renewed(attention), choice, (changed) => this.follow(changed), ghost);
    this.head = head;
    this.headRoot.dataset.theme = this.root.dataset.theme;
    await head.change({ layer });
    if (open) head.frame.toggleTable();
    if (scrolled) head.stage.window.scrollTop = scrolled;
  }

  /** @param {number} [total] milliseconds from request to drawing */
  updateStatus(total) {
    const { milliseconds, tokens } = this.text.message;
    const drawn = total === undefined ? "" : `, shown after ${Math.round(total)} ms`;
    this.frame.status.textContent = `${counted(tokens.length, "token")}, read in ${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms${drawn}`;
  }

  // ---- choosing and pointing ----

  /** @param {number} index */
  async choose(index) {
    await this.predictions?.choose(index);
    this.frame.refreshTable();
    this.remember();
  }

  /** Shows the head view's choices in the statistics, and its token in focus in all panels. @param {Choice} choice */
  follow(choice) {
    this.statistics.mark(choice);
    const index = choice.focus?.index ?? null;
    if (index !== this.focus) this.show(index, false);
    this.remember();
  }

  /** Selects a layer and heads, unless they are selected. @param {number} layer @param {number[]} heads */
  select(layer, heads) {
    const choice = this.head?.choice;
    if (!choice || (choice.layer === layer && choice.sortedHeads().join() === heads.join())) return;
    this.head?.choose(layer, heads, "");
  }

  /** @param {number | null} index @param {boolean} byKey */
  point(index, byKey) {
    if (index === this.focus && index !== null && !byKey) return;
    this.show(index, byKey);
    const visible = index !== null && this.head?.weights.shown.includes(index); // hidden special tokens are not
    this.head?.focusOn(visible ? { side: "query", index } : null, false);
    if (byKey && index !== null) this.frame.announce();
  }

  /** @param {number | null} index @param {boolean} scroll */
  show(index, scroll) {
    this.focus = index;
    this.strip.mark(index, scroll);
    this.projection.mark(index);
    const { offsets, segments, texts } = this.text.message;
    this.boxes.forEach((box, which) => {
      const current = box.area.value === texts[which]; // otherwise the box has been edited since
      box.underline(index !== null && current && segments[index] === which ? offsets[index] : null);
    });
    this.frame.readout.textContent = this.describe(index);
  }

  /** @param {number | null} index */
  describe(index) {
    const { tokens, ids, type_ids, offsets } = this.text.message;
    if (index === null) {
      return `Point at a token to see its characters and attention weights${this.predictions ? "; click it to predict it from its context" : ""}.`;
    }
    const range = offsets[index];
    const where = range ? `characters ${range[0]} to ${range[1]} of the ${type_ids[index] ? "second " : ""}text` : "not from the text";
    return `${quoted(tokens, index)}: id ${ids[index]}, type ${type_ids[index]}, ${where}.`;
  }

  /** Stores what is shown in the reader, if it supports that. */
  remember() {
    const { head } = this;
    if (!this.reader.remember || !head) return;
    clearTimeout(this.rememberTimer);
    /** @type {PageChoice} */
    const choice = { layer: head.choice.layer, heads: head.choice.sortedHeads(), hidden_state: this.projection.hidden_state, token: this.predictions?.token ?? null };
    const json = JSON.stringify(choice);
    if (json === this.remembered) return;
    this.rememberTimer = setTimeout(() => {
      this.remembered = json;
      this.reader.remember?.(choice);
    }, 300);
  }

  // ---- tables ----

  tabulate() {
    const { predictions, projection, statistics, state, text } = this;
    return explorerTables(text.message, projection.projection, statistics.rows(), predictions?.prediction ?? null, state.description);
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
    clearTimeout(this.rememberTimer);
    this.head?.close();
    this.frame.close();
  }
}

/**
 * Shows the explorer for a reader, with `text` first.
 * @param {HTMLElement} root @param {ExplorerState} state @param {Reader} reader @param {ReadText} text
 * @returns {Promise<Shown>}
 */
async function explore(root, state, reader, text) {
  const page = new Explorer(root, state, reader, text);
  await page.showText(text, state.layer, state.token);
  page.updateStatus();
  return { redraw: () => page.redraw(), close: () => page.close(), select: (layer, heads) => page.select(layer, heads) };
}

/** @type {ShowView} */
async function showView(root, state, source) {
  const reader = state.exact ? new KernelReader(source, state) : new SavedReader(source, state);
  return explore(root, state, reader, reader.first);
}

export { explore, showView };
