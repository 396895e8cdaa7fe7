// What the views share in the page: building elements, where the weights come from, the look of the host, numbers as
// text, and the two ways in (a live widget, a saved file). Python joins this file and a view's own into one module.
// Text from outside reaches the page through textContent and setAttribute only, never as HTML.

/** Colours of heads that stay apart under common colour blindnesses (after Okabe and Ito), at least 3:1 on the ground. */
export const PALETTE = {
  light: ["#005fa3", "#d55e00", "#00875f", "#c2538f", "#2f97d6", "#a87300", "#3d3d3d"],
  dark: ["#5aa9e6", "#ff8a4c", "#3cc79a", "#ee8fc0", "#a9dbff", "#f2be4a", "#d8d8d8"],
};
/** Heads beyond the palette are told apart by the line, as the pictures do: solid, dashed, dotted. */
export const DASHES = [[], [7, 3], [2, 3]];
const SECONDS_UNTIL_NOTE = 4;

// ---- elements ----------------------------------------------------------------------------------------------------

/**
 * An element with attributes and children. `on` holds listeners, `text` its text; true and false set and leave out.
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else if (name === "on") Object.entries(value).forEach(([event, run]) => element.addEventListener(event, run));
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

let lastId = 0;
/** An id that nothing else in the page has. */
export function freshId(name) {
  lastId += 1;
  return `be-${name}-${lastId}-${Math.random().toString(36).slice(2, 8)}`;
}

/** A labelled group of controls. */
export function group(label, ...controls) {
  const id = freshId("label");
  const name = make("span", { class: "be-label", id, text: label });
  return make("div", { class: "be-group", role: "group", "aria-labelledby": id }, name, ...controls);
}

/** A check box with its words; `change` gets whether it is on. */
export function checkBox(words, checked, change, attributes = {}) {
  const box = make("input", { type: "checkbox", checked, ...attributes, on: { change: () => change(box.checked) } });
  const label = make("label", { class: "be-check" }, box, make("span", { text: words }));
  return { label, box };
}

/** One of several words: native radio buttons that look like one bar. */
export function oneOf(name, options, chosen, change) {
  const shared = freshId(name);
  const bar = make("div", { class: "be-segments" });
  for (const [value, words] of options) {
    const input = make("input", { type: "radio", name: shared, value, checked: value === chosen });
    input.addEventListener("change", () => change(value));
    bar.append(make("label", {}, input, make("span", { text: words })));
  }
  return bar;
}

/** A list to choose a number from, with a button on each side to go on by one. */
export function stepper(name, values, chosen, change) {
  const list = make("select", { class: "be-select", "aria-label": name });
  values.forEach((value) => list.append(make("option", { value, text: String(value), selected: value === chosen })));
  const go = (by) => {
    const index = list.selectedIndex + by;
    if (index < 0 || index >= values.length) return;
    list.selectedIndex = index;
    update();
  };
  const button = (sign, words, by) =>
    make("button", { type: "button", class: "be-step", "aria-label": words, text: sign, on: { click: () => go(by) } });
  const [less, more] = [button("‹", `Previous ${name.toLowerCase()}`, -1), button("›", `Next ${name.toLowerCase()}`, 1)];
  const update = (silent) => {
    less.setAttribute("aria-disabled", String(list.selectedIndex <= 0));
    more.setAttribute("aria-disabled", String(list.selectedIndex >= values.length - 1));
    if (silent !== true) change(values[list.selectedIndex]);
  };
  list.addEventListener("change", update);
  update(true);
  const choose = (value) => {
    list.selectedIndex = values.indexOf(value);
    update(true);
  };
  return { element: make("span", { class: "be-stepper" }, less, list, more), choose };
}

/** Makes a row of buttons one stop of the Tab key, with the arrow keys, Home and End going from one to the next. */
export function roving(buttons, columns = 1) {
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns };
  buttons.forEach((button, index) => {
    button.tabIndex = index === 0 ? 0 : -1;
    button.addEventListener("keydown", (event) => {
      const here = buttons.indexOf(button);
      const ends = { Home: 0, End: buttons.length - 1 };
      const there = event.key in ends ? ends[event.key] : here + (steps[event.key] ?? NaN);
      if (!buttons[there]) return;
      event.preventDefault();
      buttons[there].focus();
    });
    button.addEventListener("focus", () => buttons.forEach((other) => (other.tabIndex = other === button ? 0 : -1)));
  });
}

/** A table from rows of strings (or {text, value}); the first cell of a row is its heading. */
export function table(caption, head, rows) {
  const cell = (tag, content, attributes) => {
    const text = typeof content === "object" ? content.text : String(content);
    const words = tag === "td" && !/^[−\d]/.test(text) ? "be-words" : null;
    return make(tag, { ...attributes, class: words, text, "data-value": typeof content === "object" ? content.value : null });
  };
  const body = rows.map((row) =>
    make("tr", {}, ...row.map((content, i) => (i ? cell("td", content) : cell("th", content, { scope: "row" })))),
  );
  return make(
    "table",
    { class: "be-table" },
    make("caption", { text: caption }),
    make("thead", {}, make("tr", {}, ...head.map((words) => cell("th", words, { scope: "col" })))),
    make("tbody", {}, ...body),
  );
}

// ---- numbers -----------------------------------------------------------------------------------------------------

/** The shortest decimal that is this float32, as Python's repr of a numpy.float32. */
export function shortest(number) {
  if (!Number.isFinite(number)) return String(number);
  for (let digits = 1; digits < 10; digits += 1) {
    const text = number.toPrecision(digits);
    if (Math.fround(Number(text)) === Math.fround(number)) return String(Number(text));
  }
  return String(number);
}

/** Three decimals, or two digits of what is smaller; a true minus sign. */
export function short(number) {
  const size = Math.abs(number);
  const text = size === 0 ? "0" : size < 0.0005 ? number.toExponential(0) : number.toFixed(size >= 100 ? 0 : 3);
  return text.replace("-", "−").replace("e−", "e-").replace("e+", "e");
}

/** How a number reads in a table: every digit of an exact one, four decimals of a rounded one. */
export function written(number, exact) {
  return { text: exact ? shortest(number) : short(number), value: String(number) };
}

/** A token as words: in quotes, with its place where it occurs twice. */
export function named(tokens, index) {
  const twice = tokens.indexOf(tokens[index]) !== tokens.lastIndexOf(tokens[index]);
  return twice ? `“${tokens[index]}” (${index})` : `“${tokens[index]}”`;
}

/** `count` with its word. */
export function counted(count, word) {
  return `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
}

// ---- weights -----------------------------------------------------------------------------------------------------

/** Rows of 8 bits as they come from `arrays.packed`: low and step of each row, then the levels. */
export function unpack(bytes, rows, columns, offset = 0) {
  const at = bytes.byteOffset + offset;
  const scales = bytes.buffer.slice(at, at + 8 * rows); // a copy, as float32 wants its bytes aligned
  const low = new Float32Array(scales, 0, rows);
  const step = new Float32Array(scales, 4 * rows, rows);
  return { low, step, levels: bytes.subarray(offset + 8 * rows, offset + 8 * rows + rows * columns), columns };
}

/** The numbers that `unpack`ed rows stand for, from `first` on, `count` rows. */
export function numbers(packed, first = 0, count = packed.low.length) {
  const { columns, levels } = packed;
  const result = new Float32Array(count * columns);
  for (let row = 0; row < count; row += 1) {
    const low = packed.low[first + row];
    const step = packed.step[first + row];
    const [from, to] = [(first + row) * columns, row * columns];
    for (let column = 0; column < columns; column += 1) result[to + column] = low + step * levels[from + column];
  }
  return result;
}

function asBytes(buffer) {
  return ArrayBuffer.isView(buffer)
    ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    : new Uint8Array(buffer);
}

/** Keeps the parts that came, the latest few of them, and asks for none twice. */
class Parts {
  constructor(fetchPart, most = 64e6) {
    this.fetchPart = fetchPart;
    this.most = most;
    this.kept = new Map();
  }

  put(name, bytes) {
    this.kept.set(name, Promise.resolve(bytes));
  }

  get(name) {
    if (!this.kept.has(name)) {
      const coming = this.fetchPart(name).then((bytes) => {
        this.forget(Math.max(2, Math.floor(this.most / Math.max(1, bytes.length))));
        return bytes;
      });
      coming.catch(() => this.kept.delete(name)); // the next try asks again
      this.kept.set(name, coming);
    }
    return this.kept.get(name);
  }

  forget(most) {
    for (const name of [...this.kept.keys()].slice(0, Math.max(0, this.kept.size - most))) this.kept.delete(name);
  }
}

/** Weights from the kernel: parts in 8 bits, and exact numbers, by custom messages; nothing is kept in the notebook. */
class LiveSource {
  constructor(model, onSlow, onEnd) {
    Object.assign(this, { model, onSlow, onEnd });
    this.waiting = new Map();
    this.page = Math.random().toString(36).slice(2); // a message goes to every page that shows the view
    this.parts = new Parts((name) => this.ask({ ask: "part", name }).then(({ bytes }) => bytes));
    this.listen = (message, buffers) => this.take(message, buffers);
    model.on("msg:custom", this.listen);
  }

  take(message, buffers) {
    const asked = this.waiting.get(message?.number);
    if (!asked) return;
    this.waiting.delete(message.number);
    clearTimeout(asked.slow);
    this.onSlow(false);
    if (message.error) asked.reject(new Error(message.error));
    else asked.resolve({ ...message, bytes: buffers?.length ? asBytes(buffers[0]) : new Uint8Array() });
  }

  ask(question) {
    lastId += 1;
    const number = `${this.page}-${lastId}`;
    return new Promise((resolve, reject) => {
      const slow = setTimeout(() => this.onSlow(true), SECONDS_UNTIL_NOTE * 1000);
      this.waiting.set(number, { resolve, reject, slow });
      try {
        this.model.send({ ...question, number });
      } catch {
        this.onEnd(); // a comm that was cut off; the view is gone now, and nobody waits for the answer
      }
    });
  }

  part(name) {
    return this.parts.get(name);
  }

  /** Exact float32 numbers, or null where only rounded ones are to be had. */
  exact(wanted) {
    return this.ask({ ask: "exact", ...wanted }).then(({ bytes }) => new Float32Array(bytes.slice().buffer));
  }

  close() {
    this.model.off("msg:custom", this.listen);
    this.waiting.forEach(({ slow }) => clearTimeout(slow));
  }
}

function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text); // since 2025, and many times faster
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

/** Weights from the file itself. */
class SavedSource {
  constructor() {
    this.parts = new Parts((name) => this.inflate(name));
  }

  async inflate(name) {
    const block = document.querySelector(`script[data-part="${CSS.escape(name)}"]`);
    const packed = fromBase64(block.textContent);
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  part(name) {
    return this.parts.get(name);
  }

  exact() {
    return Promise.resolve(null);
  }

  close() {}
}

// ---- the host's look ---------------------------------------------------------------------------------------------

/** "dark" or "light", by the ground that the element really stands on; by the reader's wish where none is painted. */
function hostTheme(element) {
  for (let node = element.parentElement; node; node = node.parentElement) {
    const [red, green, blue, alpha = 1] = (getComputedStyle(node).backgroundColor.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(
      Number,
    );
    if (alpha > 0.5) return 0.299 * red + 0.587 * green + 0.114 * blue < 110 ? "dark" : "light";
  }
  // VS Code's page is transparent, its ground painted by a page around it, and need not follow the reader's wish
  const kind = document.body.dataset.vscodeThemeKind;
  if (kind) return /light/.test(kind) ? "light" : "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/** Keeps `root`'s theme equal to the host's, and runs `redraw` when it changes; returns how to stop. */
function followTheme(root, redraw) {
  const update = () => {
    const theme = hostTheme(root);
    if (theme === root.dataset.theme) return;
    root.dataset.theme = theme;
    redraw();
  };
  const later = () => setTimeout(update, 60); // the host's own style comes first
  const observer = new MutationObserver(later);
  for (const node of [document.documentElement, document.body]) observer.observe(node, { attributes: true });
  const query = matchMedia("(prefers-color-scheme: dark)");
  query.addEventListener("change", later);
  update();
  return () => {
    observer.disconnect();
    query.removeEventListener("change", later);
  };
}

/** The colour of head `number` on this theme. */
export function headColour(root, number) {
  const colours = PALETTE[root.dataset.theme] ?? PALETTE.light;
  return colours[number % colours.length];
}

/** A custom property of the view's style. */
export function styled(root, name) {
  return getComputedStyle(root).getPropertyValue(name).trim();
}

/** Makes a canvas as sharp as the screen; returns its context, to be drawn in pixels of the page. */
export function sharp(canvas, width, height) {
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/** Runs `run` once before the next frame, however often it is called. */
export function oncePerFrame(run) {
  let asked = 0;
  return () => {
    if (asked) return;
    asked = requestAnimationFrame(() => {
      asked = 0;
      run();
    });
  };
}

// ---- the frame of every view -------------------------------------------------------------------------------------

/**
 * What stands around a view: title, notes, room for controls and stage, the line that reads off numbers, the table.
 * `tabulate` returns the table of what is shown now.
 */
export class Frame {
  constructor(root, setup, tabulate) {
    this.tabulate = tabulate;
    this.controls = make("div", { class: "be-controls" });
    this.body = make("div", { class: "be-body" });
    this.status = make("p", { class: "be-status" });
    this.readout = make("p", { class: "be-readout" });
    this.live = make("p", { class: "be-hidden", "aria-live": "polite", "aria-atomic": "true" });
    this.tableRoom = make("div", { class: "be-table-room", hidden: true, tabindex: 0, role: "region", "aria-label": "Table" });
    this.tableButton = make("button", { type: "button", class: "be-button", "aria-expanded": "false", text: "Show as table" });
    this.tableButton.addEventListener("click", () => this.toggleTable());
    const notes = setup.notes.map((words) => make("p", { class: "be-note", text: words }));
    const title = setup.title ? make("p", { class: "be-title", text: setup.title }) : null;
    const foot = make("div", { class: "be-foot" }, this.status, this.tableButton);
    root.replaceChildren(
      ...[title, ...notes, this.controls, this.body, this.readout, foot, this.tableRoom, this.live].filter(Boolean),
    );
    root.setAttribute("aria-label", setup.title || setup.name);
  }

  toggleTable() {
    const open = this.tableRoom.hidden;
    this.tableRoom.hidden = !open;
    this.tableButton.setAttribute("aria-expanded", String(open));
    this.tableButton.textContent = open ? "Hide table" : "Show as table";
    this.refreshTable();
  }

  refreshTable() {
    if (!this.tableRoom.hidden) this.tableRoom.replaceChildren(this.tabulate());
  }

  /** Tells those who listen, a moment after the last change. */
  say(words) {
    clearTimeout(this.saying);
    this.saying = setTimeout(() => (this.live.textContent = words), 200);
  }

  close() {
    clearTimeout(this.saying);
  }
}

function newRoot() {
  return make("div", {
    class: "bertedu-view",
    role: "region",
    "aria-label": "Attention",
  });
}

/**
 * Keeps the host's one-letter commands away from our keys, as "a" would add a cell; Ctrl+S and its like still work.
 * JupyterLab listens on the document before we could stop an event, but leaves alone what carries its attribute.
 */
function keepKeys(root) {
  const plain = (event) => !event.ctrlKey && !event.metaKey;
  const mark = (event) => {
    // on the target itself: Notebook 7 takes commands for whatever has the focus, and asks its ancestors later
    if (root.contains(event.target)) event.target.toggleAttribute("data-lm-suppress-shortcuts", plain(event));
  };
  window.addEventListener("keydown", mark, true);
  for (const name of ["keydown", "keypress", "keyup"]) {
    root.addEventListener(name, (event) => plain(event) && event.stopPropagation());
  }
  return () => window.removeEventListener("keydown", mark, true);
}

// ---- live --------------------------------------------------------------------------------------------------------

/** What was chosen in a view that its host took away, by model: where the host builds it anew, it goes on from there. */
const LEFT = new WeakMap();

/** An anywidget module that shows a view; `show(root, setup, source)` draws it and returns {redraw, chosen, close}. */
export function liveModule(show) {
  return {
    render({ model, el }) {
      const root = newRoot();
      const wait = make("p", { class: "be-note", role: "status", text: "The live view is waiting for the kernel." });
      wait.hidden = true; // said only where it takes long
      el.append(wait, root);
      const source = new LiveSource(model, (slow) => (wait.hidden = !slow), () => end());
      const life = { closed: false, endings: [keepKeys(root), () => source.close()] };
      startLive(show, root, source, life, model).catch((error) => {
        root.replaceChildren(make("p", { class: "be-note", role: "alert", text: `No live view: ${error.message}` }));
      });
      const leave = () => {
        if (life.closed) return;
        life.closed = true;
        life.endings.forEach((end) => end());
      };
      const end = () => {
        leave();
        wait.hidden = true;
        root.replaceChildren(make("p", { class: "be-note", text: "The kernel has ended; run the cell for the live view." }));
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

async function startLive(show, root, source, life, model) {
  const { setup, part, bytes } = await source.ask({ ask: "setup" });
  while (!root.isConnected && !life.closed) await new Promise(requestAnimationFrame);
  if (life.closed) return;
  source.parts.put(part, bytes);
  const view = await start(show, root, { ...setup, ...LEFT.get(model) }, source, life);
  life.endings.push(() => LEFT.set(model, view.chosen?.()));
  if (life.closed) return;
  const showPicture = await hidePicture(root, setup.picture);
  life.endings.push(showPicture);
  if (life.closed) showPicture();
}

async function start(show, root, setup, source, life) {
  const shown = {};
  const redraw = oncePerFrame(() => shown.view?.redraw());
  life.endings.push(followTheme(root, redraw));
  shown.view = await show(root, setup, source);
  const observer = new ResizeObserver(redraw);
  observer.observe(root);
  life.endings.push(() => observer.disconnect(), shown.view.close);
  root.dataset.drawn = "true";
  return shown.view;
}

/** Where a cell ends, in JupyterLab and Notebook 7, Notebook 6, VS Code and Colab. */
const CELL = ".jp-Cell, .jp-OutputArea, div.cell, .cell_container, .codecell, #output-area, body";

/** Hides the view's picture, the output before this one, and returns how to show it again. */
async function hidePicture(root, [width, height]) {
  for (let node = root; node && !node.matches(CELL); node = node.parentElement) {
    const output = node.previousElementSibling;
    let image = output?.querySelector("img");
    if (!image) continue;
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
      if (cell.contains(root) && output.contains(image)) return;
      image = output.querySelector("img");
      if (!cell.contains(root) || !image || !(await isOurs())) show();
    });
    observer.observe(cell, { childList: true, subtree: true });
    return show;
  }
  return () => {};
}

// ---- saved -------------------------------------------------------------------------------------------------------

/** Shows the view in a saved page; its picture stays where the browser cannot. */
export function startSaved(show) {
  const setup = JSON.parse(document.getElementById("bertedu-setup").textContent);
  const root = newRoot();
  document.getElementById("bertedu-view").append(root);
  if (setup.title) setup.title = null; // the page's heading says it
  start(show, root, setup, new SavedSource(), { endings: [] })
    .then(() => (document.getElementById("bertedu-picture").hidden = true))
    .catch((error) => {
      root.replaceChildren(make("p", { class: "be-note", role: "alert", text: `Only the picture: ${error.message}` }));
    });
}
