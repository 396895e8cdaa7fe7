// A live view: an anywidget module, and messages to the kernel. Nothing else knows of anywidget or its host.

import { mount, newRoot, sayInstead } from "./frame.js";
import { freshId, make } from "./elements.js";
import { Parts } from "./parts.js";

const SECONDS_UNTIL_NOTE = 4;

/** @typedef {any} WidgetModel anywidget's model; hosts differ in what else it has */
/** @typedef {{closed: boolean, endings: (() => void)[]}} Life */

/** @param {ArrayBuffer | ArrayBufferView} buffer */
function asBytes(buffer) {
  return ArrayBuffer.isView(buffer)
    ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    : new Uint8Array(buffer);
}

/** Numbers from the kernel, by custom messages: parts in 8 bits, and exact ones. Nothing is kept in the notebook. */
class KernelSource {
  /**
   * @param {WidgetModel} model
   * @param {(slow: boolean) => void} onSlow
   * @param {() => void} onEnd
   */
  constructor(model, onSlow, onEnd) {
    this.model = model;
    this.onSlow = onSlow;
    this.onEnd = onEnd;
    /** @type {Map<string, {resolve: (answer: any) => void, reject: (error: Error) => void, slow: number}>} */
    this.waiting = new Map();
    this.parts = new Parts((name) => this.ask({ ask: "part", name }).then(({ bytes }) => bytes));
    /** @type {(message: any, buffers?: (ArrayBuffer | ArrayBufferView)[]) => void} */
    this.listen = (message, buffers) => this.take(message, buffers);
    model.on("msg:custom", this.listen);
  }

  /** @param {any} message @param {(ArrayBuffer | ArrayBufferView)[]} [buffers] */
  take(message, buffers) {
    const asked = this.waiting.get(message?.number);
    if (!asked) return;
    this.waiting.delete(message.number);
    clearTimeout(asked.slow);
    this.onSlow(false);
    if (message.error) asked.reject(new Error(message.error));
    else asked.resolve({ ...message, bytes: buffers?.length ? asBytes(buffers[0]) : new Uint8Array() });
  }

  /** @param {object} question @returns {Promise<any>} */
  ask(question) {
    const number = freshId("question"); // an answer goes to every page that shows the view
    return new Promise((resolve, reject) => {
      const slow = setTimeout(() => this.onSlow(true), SECONDS_UNTIL_NOTE * 1000);
      this.waiting.set(number, { resolve, reject, slow });
      try {
        this.model.send({ ...question, number });
      } catch {
        this.onEnd(); // a comm that was cut off; the view is gone now, and no answer is needed
      }
    });
  }

  /** @param {string} name */
  part(name) {
    return this.parts.get(name);
  }

  /** @param {string} name @param {Uint8Array} bytes */
  keep(name, bytes) {
    this.parts.put(name, bytes);
  }

  /** @param {object} question @returns {Promise<Float32Array | null>} */
  exact(question) {
    return this.ask({ ask: "exact", ...question }).then(({ bytes }) => new Float32Array(bytes.slice().buffer));
  }

  close() {
    this.model.off("msg:custom", this.listen);
    this.waiting.forEach(({ slow }) => clearTimeout(slow));
  }
}

/**
 * Keeps the host's one-letter commands away from our keys, as "a" would add a cell; Ctrl+S and its like still work.
 * JupyterLab listens on the document before we could stop an event, but leaves alone what carries its attribute.
 * @param {HTMLElement} root
 */
function keepKeys(root) {
  /** @type {(event: KeyboardEvent) => boolean} */
  const plain = (event) => !event.ctrlKey && !event.metaKey;
  /** @type {(event: KeyboardEvent) => void} */
  const suppress = (event) => {
    // on the target itself: Notebook 7 takes commands for whatever has the focus, and asks its ancestors later
    const { target } = event;
    if (target instanceof Element && root.contains(target)) target.toggleAttribute("data-lm-suppress-shortcuts", plain(event));
  };
  window.addEventListener("keydown", suppress, true);
  for (const name of /** @type {const} */ (["keydown", "keypress", "keyup"])) {
    root.addEventListener(name, (event) => plain(event) && event.stopPropagation());
  }
  return () => window.removeEventListener("keydown", suppress, true);
}

/**
 * What was chosen in a view that its host took away, by model: where the host builds it anew, it continues there.
 * @type {WeakMap<WidgetModel, object | undefined>}
 */
const LEFT = new WeakMap();

/** An anywidget module that shows a view. @param {ShowView} show */
function liveModule(show) {
  return {
    /** @param {{model: WidgetModel, el: HTMLElement}} cell */
    render({ model, el }) {
      const root = newRoot();
      const wait = make("p", { class: "be-note", role: "status", text: "The live view is waiting for the kernel." });
      wait.hidden = true; // said only where it takes long
      el.append(wait, root);
      const source = new KernelSource(model, (slow) => (wait.hidden = !slow), () => end());
      /** @type {Life} */
      const life = { closed: false, endings: [keepKeys(root), () => source.close()] };
      startLive(show, root, source, life, model).catch((error) => sayInstead(root, `No live view: ${error.message}`, "alert"));
      const leave = () => {
        if (life.closed) return;
        life.closed = true;
        life.endings.forEach((end) => end());
      };
      const end = () => {
        leave();
        wait.hidden = true;
        sayInstead(root, "The kernel has ended; run the cell for the live view.");
      };
      model.on("destroy comm:close", end);
      // VS Code drops its connection when the kernel restarts or ends, and says so to no model
      const ended = model.widget_manager?.kernel?.disposed;
      ended?.connect?.(end);
      life.endings.push(() => ended?.disconnect?.(end));
      // ipywidgets says so after a restart too, and marks what it has cut off
      model.on("comm_live_update", () => setTimeout(() => root.closest(".jupyter-widgets-disconnected") && end()));
      return leave;
    },
  };
}

/**
 * @param {ShowView} show
 * @param {HTMLElement} root
 * @param {KernelSource} source
 * @param {Life} life
 * @param {WidgetModel} model
 */
async function startLive(show, root, source, life, model) {
  const { setup, part, bytes } = await source.ask({ ask: "setup" });
  while (!root.isConnected && !life.closed) await new Promise(requestAnimationFrame);
  if (life.closed) return;
  source.keep(part, bytes);
  const view = await mount(show, root, { ...setup, ...LEFT.get(model) }, source, life.endings);
  life.endings.push(() => LEFT.set(model, view.chosen?.()));
  if (life.closed) return;
  const showPicture = await hidePicture(root, setup.picture);
  life.endings.push(showPicture);
  if (life.closed) showPicture();
}

/** Where a cell ends, in JupyterLab and Notebook 7, Notebook 6, VS Code and Colab. */
const CELL = ".jp-Cell, .jp-OutputArea, div.cell, .cell_container, .codecell, #output-area, body";

/**
 * Hides the view's static figure, the output before this one, and returns how to show it again.
 * @param {HTMLElement} root
 * @param {[number, number]} size
 * @returns {Promise<() => void>}
 */
async function hidePicture(root, [width, height]) {
  /** @type {HTMLElement | null} */
  let node = root;
  for (; node && !node.matches(CELL); node = node.parentElement) {
    const output = node.previousElementSibling;
    const found = output?.querySelector("img");
    if (!output || !found) continue;
    let image = found;
    const isOurs = async () => {
      await image.decode?.().catch(() => {});
      return image.naturalWidth === width && image.naturalHeight === height;
    };
    if (!(await isOurs())) return () => {};
    output.classList.add("bertedu-picture-hidden");
    const show = () => {
      observer.disconnect();
      output.classList.remove("bertedu-picture-hidden");
    };
    // where a cell runs again, VS Code puts what comes now into the same elements, and tells no widget that it is gone
    const cell = output.parentElement;
    const observer = new MutationObserver(async () => {
      if (cell?.contains(root) && output.contains(image)) return;
      const next = output.querySelector("img");
      if (next) image = next;
      if (!cell?.contains(root) || !next || !(await isOurs())) show();
    });
    if (cell) observer.observe(cell, { childList: true, subtree: true });
    return show;
  }
  return () => {};
}

export { liveModule };
