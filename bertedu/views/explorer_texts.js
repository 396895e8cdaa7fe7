// The upper part of the explorer: text boxes, and the tokens with their ids and types.

import { uniqueId, make } from "./elements.js";

const PAUSE = 150; // milliseconds without a key before the text is read

/** A text box. Behind it is a copy of its text, in which a token's characters can be underlined. */
class TextBox {
  /**
   * @param {string} label
   * @param {string} text
   * @param {string} hint
   * @param {boolean} live
   * @param {(pause: number) => void} onEdit
   */
  constructor(label, text, hint, live, onEdit) {
    const id = uniqueId("text");
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
    this.element = make("div", { class: "be-text" }, make("label", { class: "be-label", for: id, text: label }), room);
    this.underline(null);
  }

  /** Underlines a range of characters, counted in code points, or none. @param {[number, number] | null} range */
  underline(range) {
    const characters = range ? Array.from(this.area.value) : [];
    /** @type {(from: number, to?: number) => string} */
    const piece = (from, to) => characters.slice(from, to).join("");
    const parts = range ? [piece(0, range[0]), make("mark", { text: piece(...range) }), piece(range[1])] : [this.area.value];
    this.mirror.replaceChildren(...parts, "\u200b"); // so that a line feed at the end has a height
    this.mirror.scrollTop = this.area.scrollTop;
  }
}

/** The tokens with their ids and types. */
class TokenStrip {
  /**
   * @param {(index: number | null, byKey: boolean) => void} onPoint
   * @param {(index: number) => void} onChoose
   */
  constructor(onPoint, onChoose) {
    this.onPoint = onPoint;
    this.onChoose = onChoose;
    /** @type {number | null} */
    this.focus = null;
    this.id = uniqueId("chips");
    this.list = make("div", {
      class: "be-chips", role: "listbox", tabindex: 0, "aria-label": "Tokens, with ids and types", "aria-orientation": "horizontal",
    }); // prettier-ignore
    const legend = make("div", { class: "be-chip be-chip-legend", "aria-hidden": "true" });
    legend.append(...["token", "id", "type"].map((text) => make("span", { text })));
    this.element = make("div", { class: "be-strip" }, legend, this.list);
    /** @type {(event: PointerEvent) => void} */
    const over = (event) => {
      const index = indexUnder(event);
      if (index !== null) this.onPoint(index, false);
    };
    this.list.addEventListener("pointermove", over);
    this.list.addEventListener("pointerdown", over);
    this.list.addEventListener("click", (event) => {
      const index = indexUnder(event);
      if (index !== null) this.onChoose(index);
    });
    this.list.addEventListener("pointerleave", () => document.activeElement !== this.list && this.onPoint(null, false));
    this.list.addEventListener("focus", () => !this.list.matches(":active") && this.onPoint(this.focus ?? 0, true));
    this.list.addEventListener("blur", () => this.onPoint(null, false));
    this.list.addEventListener("keydown", (event) => this.key(event));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const last = this.list.children.length - 1;
    const index = this.focus ?? 0;
    /** @type {Record<string, number>} */
    const targets = { ArrowRight: index + 1, ArrowDown: index + 1, ArrowLeft: index - 1, ArrowUp: index - 1, Home: 0, End: last };
    if (event.key in targets) this.onPoint(Math.max(0, Math.min(last, targets[event.key])), true);
    else if (event.key === "Enter" || event.key === " ") this.onChoose(index);
    else if (event.key === "Escape") this.onPoint(null, true);
    else return;
    event.preventDefault();
  }

  /** @param {ReadingMessage} message */
  setText(message) {
    this.focus = null;
    this.list.removeAttribute("aria-activedescendant");
    this.list.replaceChildren(...message.tokens.map((_, index) => this.chip(message, index)));
  }

  /** @param {ReadingMessage} message @param {number} index */
  chip({ tokens, special, ids, type_ids }, index) {
    const token = tokens[index];
    const joined = token.startsWith("##") && token.length > 2;
    const hashes = joined ? make("span", { class: "be-hashes", text: "##" }) : null;
    const name = make("span", { class: "be-chip-token" }, hashes, joined ? token.slice(2) : token);
    /** @type {(text: string) => HTMLElement} */
    const hidden = (text) => make("span", { class: "be-hidden", text });
    const [id, type] = [ids[index], type_ids[index]].map((number) => make("span", { text: String(number) }));
    return make("div", {
      class: `be-chip${joined ? " be-joined" : ""}${special[index] ? " be-special" : ""}`, role: "option",
      id: `${this.id}-${index}`, "aria-selected": "false",
      "data-index": index, "data-type": type_ids[index], title: token.length > 14 ? token : null,
    }, name, hidden(", id "), id, hidden(", type "), type); // prettier-ignore
  }

  /** Highlights the token in focus. @param {number | null} index @param {boolean} scroll */
  mark(index, scroll) {
    if (this.focus !== null) this.list.children[this.focus]?.setAttribute("aria-selected", "false");
    this.focus = index;
    const chip = index === null ? null : this.list.children[index];
    chip?.setAttribute("aria-selected", "true");
    if (chip) this.list.setAttribute("aria-activedescendant", chip.id);
    else this.list.removeAttribute("aria-activedescendant");
    if (chip && scroll) chip.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** Highlights the token whose word is predicted. @param {number | null} index */
  markPredicted(index) {
    [...this.list.children].forEach((chip, at) => chip.classList.toggle("be-predicted", at === index));
  }
}

/** The index of the token under an event. @param {Event} event */
function indexUnder({ target }) {
  const element = target instanceof Element ? target.closest("[data-index]") : null;
  return element ? Number(element.getAttribute("data-index")) : null;
}

export { TextBox, TokenStrip, indexUnder };
