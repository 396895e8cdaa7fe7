// The explorer's switches: a head, the attention of a layer, or a whole layer can be switched off.

import { make, panel, rovingTabindex } from "./elements.js";
import { range } from "./numbers.js";

const SAVED = "This saved page has no model to run. Use be.explorer(bert) in a notebook.";
const HINT = "Click a head, a layer’s attention, or a layer to switch it off.";

/** @typedef {{kind: keyof Edits, layer: number, head: number, name: string, button: HTMLButtonElement, off: boolean}} Switch */

/** The heads of a layer that contribute nothing. @param {Edits} edits @param {number} layer @param {number} count */
function headsOff({ heads, attention, layers }, layer, count) {
  if (attention.includes(layer) || layers.includes(layer)) return new Set(range(count));
  return new Set(heads.filter(([other]) => other === layer).map(([, head]) => head));
}

/** @param {string} text */
function capitalized(text) {
  return text[0].toUpperCase() + text.slice(1);
}

/** The panel: a row of switches for each layer, and a list of what is off. */
class SwitchesPanel {
  /**
   * @param {Description} description
   * @param {boolean} live whether a model can run
   * @param {Edits} edits
   * @param {(message: string) => void} onSwitch
   */
  constructor({ num_layers, num_heads }, live, edits, onSwitch) {
    this.live = live;
    this.onSwitch = onSwitch;
    /** @type {Switch[]} */
    this.switches = range(num_layers).flatMap((layer) => [
      this.make("layers", layer, -1, `layer ${layer}`, String(layer)),
      this.make("attention", layer, -1, `layer ${layer}, attention`, "attention"),
      ...range(num_heads).map((head) => this.make("heads", layer, head, `layer ${layer}, head ${head}`, "")),
    ]);
    this.set(edits);
    /** @type {(text: number | string) => HTMLElement} */
    const label = (text) => make("span", { class: "be-number-label", "aria-hidden": "true", text: String(text) });
    const buttons = this.switches.map(({ button }) => button);
    const grid = make("div", { class: "be-switches", role: "group", "aria-label": "Switches, one row per layer" });
    grid.style.setProperty("--be-heads", String(num_heads));
    grid.append(...["layer", "", ...range(num_heads)].map(label), ...buttons);
    rovingTabindex(buttons, num_heads + 2);
    this.readout = make("p", { class: "be-small-readout" });
    this.list = make("div", { class: "be-off-list", role: "list", "aria-label": "Switched off" });
    this.all = make("button", { type: "button", class: "be-button", text: "Switch all on", on: { click: () => this.switchAllOn() } });
    this.room = make("div", { class: "be-row be-off-room" }, this.list, live ? this.all : null);
    this.element = panel("Switch off", grid, this.readout, this.room);
    this.update();
    this.describe(null);
    this.element.hidden = !live && this.room.hidden; // a saved page without edits has nothing to say
  }

  /** @param {keyof Edits} kind @param {number} layer @param {number} head @param {string} name @param {string} text */
  make(kind, layer, head, name, text) {
    const button = make("button", { type: "button", class: `be-switch be-switch-${kind}`, role: "switch", "aria-label": capitalized(name), text });
    const one = { kind, layer, head, name, button, off: false };
    button.addEventListener("click", () => this.toggle(one));
    for (const event of ["pointerenter", "focus"]) button.addEventListener(event, () => this.describe(one));
    for (const event of ["pointerleave", "blur"]) button.addEventListener(event, () => this.describe(null));
    return one;
  }

  /** What is off, as the reader expects it. @returns {Edits} */
  get edits() {
    const off = this.switches.filter((one) => one.off);
    /** @type {(kind: keyof Edits) => number[]} */
    const layers = (kind) => off.filter((one) => one.kind === kind).map(({ layer }) => layer);
    /** @type {[number, number][]} */
    const heads = off.filter(({ kind }) => kind === "heads").map(({ layer, head }) => [layer, head]);
    return { heads, attention: layers("attention"), layers: layers("layers") };
  }

  /** @param {Edits} edits */
  set({ heads, attention, layers }) {
    for (const one of this.switches) {
      if (one.kind === "heads") one.off = heads.some(([layer, head]) => layer === one.layer && head === one.head);
      else one.off = { attention, layers }[one.kind].includes(one.layer);
    }
  }

  /** The switch that switches this one off too, if there is one. @param {Switch} one */
  above({ kind, layer }) {
    /** @type {(keyof Edits)[]} */
    const kinds = kind === "heads" ? ["layers", "attention"] : kind === "attention" ? ["layers"] : [];
    return this.switches.find((other) => other.off && other.layer === layer && kinds.includes(other.kind));
  }

  /** @param {Switch} one */
  toggle(one) {
    if (!this.live || (this.above(one) && !one.off)) return this.describe(one);
    one.off = !one.off;
    this.update();
    this.describe(one);
    this.onSwitch(`${capitalized(one.name)} is ${one.off ? "off" : "on"}`);
  }

  /** Switches one on from the list, and moves the focus to the next one in it. @param {Switch} one @param {number} index */
  switchOn(one, index) {
    this.toggle(one);
    const buttons = this.list.querySelectorAll("button");
    (buttons[Math.min(index, buttons.length - 1)] ?? one.button).focus();
  }

  switchAllOn() {
    const [first] = this.switches.filter((one) => one.off);
    this.set({ heads: [], attention: [], layers: [] });
    this.update();
    first?.button.focus();
    this.onSwitch("Everything is on");
  }

  /** Shows the state in the switches and in the list. */
  update() {
    for (const one of this.switches) {
      const above = this.above(one);
      one.button.setAttribute("aria-checked", String(!one.off && !above));
      one.button.setAttribute("aria-disabled", String(!this.live || Boolean(above && !one.off)));
      const reason = !this.live ? SAVED : above && !one.off ? `Off, because ${above.name} is off` : null;
      if (reason) one.button.title = reason;
      else one.button.removeAttribute("title");
    }
    const off = this.switches.filter((one) => one.off);
    this.list.replaceChildren(...off.map((one, index) => this.item(one, index)));
    this.room.hidden = !off.length;
  }

  /** @param {Switch} one @param {number} index */
  item(one, index) {
    const text = capitalized(one.name);
    if (!this.live) return make("span", { class: "be-off-item", role: "listitem", text });
    const cross = make("span", { class: "be-off-cross", "aria-hidden": "true", text: "×" });
    const click = () => this.switchOn(one, index);
    const button = make("button", { type: "button", "aria-label": `Switch on ${one.name}`, on: { click } }, text, cross);
    return make("span", { role: "listitem" }, button);
  }

  /** @param {Switch | null} one */
  describe(one) {
    const count = this.switches.filter(({ off }) => off).length;
    if (!this.live) this.readout.textContent = SAVED;
    else if (!one) this.readout.textContent = count ? `${count === 1 ? "1 switch is" : `${count} switches are`} off. Gray is the original, or a head that is off.` : HINT;
    else this.readout.textContent = this.stateOf(one);
  }

  /** @param {Switch} one */
  stateOf(one) {
    const above = this.above(one);
    if (above && !one.off) return `${capitalized(one.name)} is off, because ${above.name} is off.`;
    if (!one.off) return `${capitalized(one.name)} is on.`;
    const effect = {
      heads: "the head’s output is 0, whatever it attends to",
      attention: "the outputs of all its heads are 0",
      layers: "its output is its input",
    }[one.kind];
    return `${capitalized(one.name)} is off: ${effect}.`;
  }
}

export { SwitchesPanel, headsOff };
