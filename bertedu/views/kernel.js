// A live view: an anywidget module, and messages to the kernel. No other module depends on anywidget or its host.

import { mount, newRoot, showMessage } from "./frame.js";
import { uniqueId, make } from "./elements.js";
import { Parts } from "./parts.js";

const SECONDS_UNTIL_NOTE = 4;

/** @typedef {any} WidgetModel anywidget's model; its other properties depend on the host */
/** @typedef {{closed: boolean, cleanups: (() => void)[]}} Lifetime */

/** @param {ArrayBuffer | ArrayBufferView} buffer */
function asBytes(buffer) {
  return ArrayBuffer.isView(buffer)
    ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    : new Uint8Array(buffer);
}

/** Data from the kernel by custom messages: quantized parts and exact values. Nothing is stored in the notebook. */
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
    this.listen = (message, buffers) => this.receive(message, buffers);
    model.on("msg:custom", this.listen);
  }

  /** @param {any} message @param {(ArrayBuffer | ArrayBufferView)[]} [buffers] */
  receive(message, buffers) {
    const request = this.waiting.get(message?.number);
    if (!request) return;
    this.waiting.delete(message.number);
    clearTimeout(request.slow);
    this.onSlow(false);
    if (message.error) request.reject(new Error(message.error));
    else request.resolve({ ...message, bytes: buffers?.length ? asBytes(buffers[0]) : new Uint8Array() });
  }

  /** @param {object} question @returns {Promise<any>} */
  ask(question) {
    const number = uniqueId("question"); // unique, because an answer goes to every page that shows the view
    return new Promise((resolve, reject) => {
      const slow = setTimeout(() => this.onSlow(true), SECONDS_UNTIL_NOTE * 1000);
      this.waiting.set(number, { resolve, reject, slow });
      try {
        this.model.send({ ...question, number });
      } catch {
        this.onEnd(); // the comm is closed: the view ends, and no answer is needed
      }
    });
  }

  /** @param {string} name */
  part(name) {
    return this.parts.get(name);
  }

  /** @param {string} name @param {Uint8Array} bytes */
  store(name, bytes) {
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
 * Keeps the view's keys from triggering the host's one-letter commands, such as "a" to add a cell; Ctrl+S still works.
 * JupyterLab's listener on the document runs first, but it ignores elements with its own attribute.
 * @param {HTMLElement} root
 */
function suppressShortcuts(root) {
  /** @type {(event: KeyboardEvent) => boolean} */
  const plain = (event) => !event.ctrlKey && !event.metaKey;
  /** @type {(event: KeyboardEvent) => void} */
  const suppress = (event) => {
    // on the target itself, because Notebook 7 checks the focused element before its ancestors
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
 * The choices of views that their host removed, by model: if the host renders one again, it continues with them.
 * @type {WeakMap<WidgetModel, object | undefined>}
 */
const CHOICES = new WeakMap();

/** An anywidget module that shows a view. @param {ShowView} show */
function liveModule(show) {
  return {
    /** @param {{model: WidgetModel, el: HTMLElement}} cell */
    render({ model, el }) {
      const root = newRoot();
      const wait = make("p", { class: "be-note", role: "status", text: "The live view is waiting for the kernel." });
      wait.hidden = true; // shown only if it takes long
      el.append(wait, root);
      const source = new KernelSource(model, (slow) => (wait.hidden = !slow), () => end());
      /** @type {Lifetime} */
      const lifetime = { closed: false, cleanups: [suppressShortcuts(root), () => source.close()] };
      startLive(show, root, source, lifetime, model).catch((error) => showMessage(root, `No live view: ${error.message}`, "alert"));
      const leave = () => {
        if (lifetime.closed) return;
        lifetime.closed = true;
        lifetime.cleanups.forEach((end) => end());
      };
      const end = () => {
        leave();
        wait.hidden = true;
        showMessage(root, "The kernel has stopped. Run the cell again to restart the live view.");
      };
      model.on("destroy comm:close", end);
      // VS Code drops its connection when the kernel restarts or ends, without an event for the model
      const ended = model.widget_manager?.kernel?.disposed;
      ended?.connect?.(end);
      lifetime.cleanups.push(() => ended?.disconnect?.(end));
      // ipywidgets sends this event after a restart, too, and marks disconnected widgets
      model.on("comm_live_update", () => setTimeout(() => root.closest(".jupyter-widgets-disconnected") && end()));
      return leave;
    },
  };
}

/**
 * @param {ShowView} show
 * @param {HTMLElement} root
 * @param {KernelSource} source
 * @param {Lifetime} lifetime
 * @param {WidgetModel} model
 */
async function startLive(show, root, source, lifetime, model) {
  const { setup, part, bytes } = await source.ask({ ask: "setup" });
  while (!root.isConnected && !lifetime.closed) await new Promise(requestAnimationFrame);
  if (lifetime.closed) return;
  source.store(part, bytes);
  const view = await mount(show, root, { ...setup, ...CHOICES.get(model) }, source, lifetime.cleanups);
  lifetime.cleanups.push(() => CHOICES.set(model, view.choices?.()));
  if (lifetime.closed) return;
  const showFigure = await hideFigure(root, setup.figure);
  lifetime.cleanups.push(showFigure);
  if (lifetime.closed) showFigure();
}

/** The element of a cell or its outputs, in JupyterLab and Notebook 7, Notebook 6, VS Code and Colab. */
const CELL = ".jp-Cell, .jp-OutputArea, div.cell, .cell_container, .codecell, #output-area, body";

/**
 * Hides the view's static figure, the output before this one; returns a function that shows it again.
 * @param {HTMLElement} root
 * @param {[number, number]} size
 * @returns {Promise<() => void>}
 */
async function hideFigure(root, [width, height]) {
  /** @type {HTMLElement | null} */
  let node = root;
  for (; node && !node.matches(CELL); node = node.parentElement) {
    const output = node.previousElementSibling;
    const first = output?.querySelector("img");
    if (!output || !first) continue;
    let image = first;
    const isFigure = async () => {
      await image.decode?.().catch(() => {});
      return image.naturalWidth === width && image.naturalHeight === height;
    };
    if (!(await isFigure())) return () => {};
    output.classList.add("bertedu-figure-hidden");
    const show = () => {
      observer.disconnect();
      output.classList.remove("bertedu-figure-hidden");
    };
    // when a cell runs again, VS Code reuses its elements for the new outputs, without an event for the widget
    const cell = output.parentElement;
    const observer = new MutationObserver(async () => {
      if (cell?.contains(root) && output.contains(image)) return;
      const next = output.querySelector("img");
      if (next) image = next;
      if (!cell?.contains(root) || !next || !(await isFigure())) show();
    });
    if (cell) observer.observe(cell, { childList: true, subtree: true });
    return show;
  }
  return () => {};
}

export { liveModule };
