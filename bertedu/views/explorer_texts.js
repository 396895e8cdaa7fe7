// The upper part of the explorer: boxes to type in, and the tokens as BERT reads them.

import { freshId, make } from "./elements.js";

const PAUSE = 150; // milliseconds without a key, until what was typed is read

/** A box to type in. Behind its letters lies a mirror of them, in which a token's characters can be underlined. */
class Box {
  /**
   * @param {string} words
   * @param {string} text
   * @param {string} hint
   * @param {boolean} live
   * @param {(pause: number) => void} onEdit
   */
  constructor(words, text, hint, live, onEdit) {
    const id = freshId("text");
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
    this.element = make("div", { class: "be-text" }, make("label", { class: "be-label", for: id, text: words }), room);
    this.underline(null);
  }

  /** Underlines the characters from `start` to `end`, which are counted in code points, or none. @param {[number, number] | null} range */
  underline(range) {
    const letters = range ? Array.from(this.area.value) : [];
    /** @type {(from: number, to?: number) => string} */
    const piece = (from, to) => letters.slice(from, to).join("");
    const parts = range ? [piece(0, range[0]), make("mark", { text: piece(...range) }), piece(range[1])] : [this.area.value];
    this.mirror.replaceChildren(...parts, "\u200b"); // or a line feed at the end would have no height
    this.mirror.scrollTop = this.area.scrollTop;
  }
}

/** The tokens with their ids and types, as BERT reads them. */
class Strip {
  /**
   * @param {(index: number | null, byKey: boolean) => void} onPoint
   * @param {(index: number) => void} onChoose
   */
  constructor(onPoint, onChoose) {
    this.onPoint = onPoint;
    this.onChoose = onChoose;
    /** @type {number | null} */
    this.at = null;
    this.id = freshId("chips");
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
    this.list.addEventListener("focus", () => !this.list.matches(":active") && this.onPoint(this.at ?? 0, true));
    this.list.addEventListener("blur", () => this.onPoint(null, false));
    this.list.addEventListener("keydown", (event) => this.key(event));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const last = this.list.children.length - 1;
    const here = this.at ?? 0;
    /** @type {Record<string, number>} */
    const places = { ArrowRight: here + 1, ArrowDown: here + 1, ArrowLeft: here - 1, ArrowUp: here - 1, Home: 0, End: last };
    if (event.key in places) this.onPoint(Math.max(0, Math.min(last, places[event.key])), true);
    else if (event.key === "Enter" || event.key === " ") this.onChoose(here);
    else if (event.key === "Escape") this.onPoint(null, true);
    else return;
    event.preventDefault();
  }

  /** @param {ReadingMessage} message */
  take(message) {
    this.at = null;
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
    const heard = (text) => make("span", { class: "be-hidden", text });
    const [id, type] = [ids[index], type_ids[index]].map((number) => make("span", { text: String(number) }));
    return make("div", {
      class: `be-chip${joined ? " be-joined" : ""}${special[index] ? " be-special" : ""}`, role: "option",
      id: `${this.id}-${index}`, "aria-selected": "false",
      "data-index": index, "data-type": type_ids[index], title: token.length > 14 ? token : null,
    }, name, heard(", id "), id, heard(", type "), type); // prettier-ignore
  }

  /** Marks the token that is pointed at. @param {number | null} index @param {boolean} scroll */
  mark(index, scroll) {
    if (this.at !== null) this.list.children[this.at]?.setAttribute("aria-selected", "false");
    this.at = index;
    const chip = index === null ? null : this.list.children[index];
    chip?.setAttribute("aria-selected", "true");
    if (chip) this.list.setAttribute("aria-activedescendant", chip.id);
    else this.list.removeAttribute("aria-activedescendant");
    if (chip && scroll) chip.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** Frames the token whose word is predicted. @param {number | null} index */
  frame(index) {
    [...this.list.children].forEach((chip, at) => chip.classList.toggle("be-chosen", at === index));
  }
}

/** The token that an event is on. @param {Event} event */
function indexUnder({ target }) {
  const place = target instanceof Element ? target.closest("[data-index]") : null;
  return place ? Number(place.getAttribute("data-index")) : null;
}

export { Box, Strip, indexUnder };
