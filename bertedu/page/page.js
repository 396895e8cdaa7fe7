// The page: loads the model, shows its explorer, and a second one beside it on request.

import { checkBox, make, uniqueId } from "../views/elements.js";
import { explore } from "../views/explorer.js";
import { mount, newRoot } from "../views/frame.js";
import { range } from "../views/numbers.js";
import { fetchConfig, fetchContent, removeOldBuilds } from "./loading.js";
import { Connection, PageReader } from "./reader.js";

const TEXTS = ["The cat sat on the mat.", "The dog barked at the mat."];
const FILES = ["kernels.wasm", "vocabulary.txt", "weights.safetensors"];
const FROM_DISK =
  "This page was opened as a file, and browsers do not let a file load its model. Open a terminal in its folder, run "
  + "python3 -m http.server, and open http://localhost:8000 in the browser."; // prettier-ignore

/** An element of index.html. @param {string} id */
function element(id) {
  const node = document.getElementById(id);
  if (!node) throw new Error(`index.html has no element ${id}`);
  return node;
}

/** Shows how much of the model is loaded. */
class Progress {
  /** @param {number} total bytes */
  constructor(total) {
    this.total = total;
    this.loaded = 0;
    this.bar = make("progress", { max: total, value: 0, "aria-label": "Loading the model" });
    this.text = make("span", { class: "page-megabytes" });
    element("page-status").replaceChildren(make("p", {}, "Loading the model, once: ", this.text), this.bar);
    this.add(0);
  }

  /** @param {number} nbytes since the last call */
  add(nbytes) {
    this.loaded += nbytes;
    this.bar.value = this.loaded;
    const [loaded, total] = [this.loaded, this.total].map((count) => (count / 1e6).toFixed(1));
    this.text.textContent = this.loaded < this.total ? `${loaded} of ${total} MB` : `${total} MB. Starting …`;
  }
}

/** Shows why the page cannot start. @param {Error} error */
function showError(error) {
  const text = error instanceof RangeError
    ? "There is not enough memory for the model, which takes about 300 MB. Close other tabs or programs, then reload."
    : error.message; // prettier-ignore
  const again = make("button", { type: "button", class: "page-button", text: "Reload", on: { click: () => location.reload() } });
  const children = location.protocol === "file:" ? [] : [again];
  element("page-status").replaceChildren(make("p", { class: "page-error", role: "alert", text }), ...children);
  document.body.dataset.state = "failed";
}

/** Loads the model into a worker. @returns {Promise<Connection>} */
async function loadModel() {
  const config = await fetchConfig();
  const { build, files } = config;
  if (build !== document.documentElement.dataset.build) {
    throw new Error("index.html and model.json are of different builds. Reload the page; if this remains, copy the whole folder again.");
  }
  const connection = new Connection(new Worker(`worker.js?${build}`));
  const progress = new Progress(FILES.reduce((sum, name) => sum + files[name].nbytes, 0));
  const load = (/** @type {string} */ name) => fetchContent(name, build, files[name], (nbytes) => progress.add(nbytes));
  const kernels = await load("kernels.wasm");
  if (typeof WebAssembly !== "object" || !WebAssembly.validate(kernels)) {
    throw new Error("This browser lacks WebAssembly with SIMD, which the model needs. Chrome and Edge have it since version 91, Firefox since 89, Safari since 16.4.");
  }
  const [vocabulary, weights] = await Promise.all([load("vocabulary.txt"), load("weights.safetensors")]);
  const question = { config, kernels, weights, vocabulary: new TextDecoder().decode(vocabulary) };
  await connection.ask("start", 0, question, [kernels, weights]);
  removeOldBuilds(build);
  return connection;
}

/** An explorer on the page, with its heading. */
class Sentence {
  /** @param {Connection} connection @param {(sentence: Sentence, choice: PageChoice) => void} onChoice */
  constructor(connection, onChoice) {
    this.reader = new PageReader(connection, (choice) => onChoice(this, choice));
    this.heading = make("h2", { class: "page-sentence-heading", id: uniqueId("sentence") });
    this.root = newRoot();
    this.element = make("section", { class: "page-sentence" }, this.heading, this.root);
    /** @type {(() => void)[]} */
    this.cleanups = [];
    /** @type {Shown | null} */
    this.shown = null;
  }

  /** Reads a text and shows it. @param {string} text @param {number} layer @param {number[] | null} heads */
  async show(text, layer, heads) {
    const description = await this.reader.describe();
    const first = await this.reader.read(text, "", { heads: [], attention: [], layers: [] });
    const { num_layers } = description;
    /** @type {ExplorerState} */
    const state = {
      title: null, notes: [], exact: true, layers: range(num_layers), layer, description, hidden_state: num_layers, token: null, heads,
    }; // prettier-ignore
    const source = /** @type {any} */ (null); // not used: the reader answers instead
    this.shown = await mount((root) => explore(root, state, this.reader, first), this.root, state, source, this.cleanups);
    // so that screen readers tell the panels of the two sentences apart
    for (const panel of this.root.querySelectorAll("section[aria-labelledby]")) {
      panel.setAttribute("aria-labelledby", `${this.heading.id} ${panel.getAttribute("aria-labelledby")}`);
    }
  }

  /** @param {string} name */
  rename(name) {
    this.heading.textContent = name;
    this.root.setAttribute("aria-label", name || "Explorer");
  }

  close() {
    this.cleanups.forEach((end) => end());
    this.element.remove();
    this.reader.close();
  }
}

/** One sentence, or two side by side. */
class Page {
  /** @param {Connection} connection */
  constructor(connection) {
    this.connection = connection;
    /** @type {{layer: number, heads: number[] | null}} */
    this.choice = { layer: 0, heads: null };
    this.together = true;
    this.room = element("page-sentences");
    this.first = new Sentence(connection, (sentence, choice) => this.follow(sentence, choice));
    /** @type {Sentence | null} */
    this.second = null;
    this.button = make("button", { type: "button", class: "page-button", "aria-expanded": "false", on: { click: () => this.toggle() } });
    const { label } = checkBox("Show the same layer and heads in both", true, (on) => {
      this.together = on;
      if (on && this.second) this.follow(this.first, this.choice);
    });
    this.together_label = label;
    this.room.append(this.first.element);
  }

  async start() {
    await this.first.show(TEXTS[0], 0, null);
    element("page-status").hidden = true;
    element("page-bar").append(this.button, this.together_label);
    this.update();
    document.body.dataset.state = "ready";
  }

  /** Opens or closes the second sentence. */
  async toggle() {
    if (this.second) {
      this.second.close();
      this.second = null;
      return this.update();
    }
    const second = new Sentence(this.connection, (sentence, choice) => this.follow(sentence, choice));
    this.second = second;
    this.room.append(second.element);
    this.update();
    await second.show(TEXTS[1], this.choice.layer, this.choice.heads);
    second.root.querySelector("textarea")?.focus({ preventScroll: true });
    second.element.scrollIntoView({ block: "nearest" });
  }

  update() {
    const both = this.second !== null;
    this.button.textContent = both ? "Close the second sentence" : "Compare with a second sentence";
    this.button.setAttribute("aria-expanded", String(both));
    this.together_label.hidden = !both;
    document.body.classList.toggle("page-compared", both);
    this.first.rename(both ? "First sentence" : "");
    this.second?.rename("Second sentence");
  }

  /** Selects in one explorer the layer and heads that were selected in the other. @param {Sentence} sentence @param {{layer: number, heads: number[] | null}} choice */
  follow(sentence, { layer, heads }) {
    this.choice = { layer, heads };
    const other = sentence === this.first ? this.second : this.first;
    if (this.together && heads) other?.shown?.select?.(layer, heads);
  }
}

/** Starts the page. */
async function start() {
  if (location.protocol === "file:") throw new Error(FROM_DISK);
  const connection = await loadModel();
  await new Page(connection).start();
}

export { showError, start };
