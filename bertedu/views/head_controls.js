// The controls of the head view: layer, heads, direction between two texts, special tokens, minimum weight.

import { checkBox, group, make, radioBar, rovingTabindex, stepper } from "./elements.js";
import { headColor } from "./theme.js";
import { counted, range, short } from "./numbers.js";
import { Choice } from "./lines.js";

/** The buttons, lists and sliders above the stage. */
class Controls {
  /**
   * @param {HeadSetup} setup
   * @param {Choice} choice
   * @param {(changes: ChoiceChanges, message?: string) => void} change
   */
  constructor(setup, choice, change) {
    this.setup = setup;
    this.choice = choice;
    this.change = change;
    this.theme = "";
    this.layer = stepper("Layer", setup.layers, choice.layer, (layer) => change({ layer }, `Layer ${layer}`));
    this.buttons = range(setup.heads).map((head) => this.headButton(head));
    rovingTabindex(this.buttons);
    const average = checkBox("Average", choice.average, (on) => change({ average: on }, on ? "Average of the heads" : "Separate heads"));
    const [all, none] = [this.small("All", range(setup.heads)), this.small("None", [])];
    const heads = group("Heads", make("span", { class: "be-heads" }, ...this.buttons), all, none, average.label);
    const second = [this.directions(), this.specials(), this.threshold()].filter((one) => one !== null);
    this.rows = [[group("Layer", this.layer.element), heads], second].map((row) => make("div", { class: "be-row" }, ...row));
  }

  /** @param {number} head */
  headButton(head) {
    const kind = ["", "be-dashed", "be-dotted"][Math.floor(head / 7) % 3];
    const swatch = make("span", { class: `be-swatch ${kind}`, "data-head": head });
    const label = make("span", { text: String(head) });
    const button = make("button", {
      type: "button", class: "be-head", "aria-pressed": String(this.choice.heads.has(head)), "aria-label": `Head ${head}`,
      title: `Head ${head}: click to show or hide, double-click to show only this one`,
    }, swatch, label); // prettier-ignore
    button.addEventListener("click", () => this.toggle(head));
    button.addEventListener("dblclick", () => this.only([head]));
    button.addEventListener("keydown", (event) => event.key === "Enter" && event.shiftKey && this.only([head]));
    return button;
  }

  /** @param {string} text @param {number[]} heads */
  small(text, heads) {
    const on = { click: () => this.only(heads) };
    return make("button", { type: "button", class: "be-button", text, "aria-label": `${text} heads`, on });
  }

  /** @param {number} head */
  toggle(head) {
    const heads = new Set(this.choice.heads);
    if (!heads.delete(head)) heads.add(head);
    this.only([...heads]);
  }

  /** @param {number[]} heads */
  only(heads) {
    this.press(new Set(heads));
    this.change({ heads: new Set(heads) }, counted(heads.length, "head"));
  }

  /** @param {Set<number>} heads */
  press(heads) {
    this.buttons.forEach((button, head) => button.setAttribute("aria-pressed", String(heads.has(head))));
  }

  directions() {
    const { segments } = this.setup;
    if (!segments.includes(0) || !segments.includes(1)) return null;
    /** @type {[Direction, string][]} */
    const options = [["all", "All"], ["AA", "A→A"], ["AB", "A→B"], ["BA", "B→A"], ["BB", "B→B"]];
    /** @type {(value: string) => void} */
    const change = (value) => this.change({ direction: /** @type {Direction} */ (value) }, `Texts ${value}`);
    return group("Texts", radioBar("direction", options, this.choice.direction, change));
  }

  specials() {
    const { special, signed } = this.setup;
    if (!special.includes(1) || !special.includes(0)) return null;
    const { hide: hidden, rescale: rescaled } = this.choice;
    const disabled = !hidden || signed;
    const rescale = checkBox("Rescale rows to 1", rescaled, (on) => this.change({ rescale: on }, on ? "Rows rescaled" : "Rows not rescaled"), { disabled });
    const hide = checkBox("Hide special tokens", hidden, (on) => {
      rescale.box.disabled = !on || signed;
      this.change({ hide: on }, on ? "Special tokens hidden" : "Special tokens shown");
    });
    return make("div", { class: "be-group" }, hide.label, signed ? null : rescale.label);
  }

  threshold() {
    const start = this.choice.minimum;
    const value = make("output", { class: "be-output", text: short(start) });
    const at = Math.round(100 * Math.sqrt(start));
    const slider = make("input", { type: "range", min: 0, max: 100, value: at, class: "be-slider", "aria-label": "Minimum weight shown" });
    slider.addEventListener("input", () => {
      const minimum = (Number(slider.value) / 100) ** 2; // finer for small weights
      value.textContent = short(minimum);
      slider.setAttribute("aria-valuetext", short(minimum));
      this.change({ minimum });
    });
    return group("Min. weight", slider, value);
  }

  /** Marks the heads that are off. @param {Set<number>} off */
  markOff(off) {
    this.buttons.forEach((button, head) => {
      button.classList.toggle("be-off", off.has(head));
      button.setAttribute("aria-label", `Head ${head}${off.has(head) ? ", switched off" : ""}`);
    });
  }

  /** Sets the swatches to the theme's colors. @param {HTMLElement} root */
  paint(root) {
    if (this.theme === root.dataset.theme) return;
    this.theme = root.dataset.theme ?? "";
    this.buttons.forEach((button, head) => {
      button.style.setProperty("--be-head", this.setup.signed ? "currentColor" : headColor(root, head));
    });
  }
}

export { Controls };
