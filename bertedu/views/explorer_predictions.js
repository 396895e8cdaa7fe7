// The explorer's predictions of a masked word.

import { make, panel } from "./elements.js";

/** The panel. */
class PredictionsPanel {
  /**
   * @param {Reader} reader
   * @param {string} note
   * @param {(token: number | null) => void} onPredict called with the token whose word is predicted
   */
  constructor(reader, note, onPredict) {
    this.reader = reader;
    this.onPredict = onPredict;
    /** @type {ReadText | null} */
    this.text = null;
    /** @type {number | null} */
    this.token = null;
    /** @type {Prediction | null} */
    this.prediction = null;
    this.prompt = make("p", { class: "be-prompt" });
    this.list = make("div", { class: "be-predictions", role: "list", "aria-label": "Predictions, largest probability first" });
    const about = note ? make("p", { class: "be-note", text: note }) : null;
    this.element = panel("Masked-LM predictions", this.prompt, this.list, about);
  }

  /** @param {ReadText} text @param {number | null} token */
  async setText(text, token) {
    this.text = text;
    const masked = text.message.tokens.indexOf("[MASK]");
    const selected = token ?? (masked < 0 ? null : masked);
    if (selected !== null) return this.choose(selected);
    this.show(null, "Click a token, or write [MASK] in the text, to predict a word from its context.");
  }

  /** @param {number} token */
  async choose(token) {
    const { text } = this;
    if (!text) return;
    if (!text.message.offsets[token]) {
      return this.show(null, `${text.message.tokens[token]} is a special token, not a word of the text.`);
    }
    this.token = token;
    /** @type {{prediction: Prediction | null, reason: string}} */
    const { prediction, reason } = await this.reader.fillMask(text, token).then(
      (answer) => ({ prediction: answer, reason: "" }),
      (error) => ({ prediction: null, reason: error.message }),
    );
    if (text !== this.text || token !== this.token) return; // another one was selected meanwhile
    this.show(prediction, reason);
  }

  /** @param {Prediction | null} prediction @param {string} message shown if there is none */
  show(prediction, message) {
    this.prediction = prediction;
    this.token = prediction?.token ?? null;
    this.onPredict(this.token);
    this.list.hidden = !prediction;
    this.list.classList.toggle("be-compared", Boolean(prediction?.original_probabilities));
    const originals = prediction?.original_probabilities ?? [];
    this.list.replaceChildren(...(prediction?.top_predictions ?? []).map((entry, index) => this.bar(entry, prediction?.word ?? "", originals[index])));
    if (!prediction) {
      this.prompt.textContent = message;
      return;
    }
    const { word, masked_text } = prediction;
    const target = word === "[MASK]" ? [] : ["Predictions for ", make("strong", { text: `“${word}”` }), ": "];
    this.prompt.replaceChildren(...target, `“${clip(masked_text)}”`);
  }

  /** @param {[string, number]} entry prediction and probability @param {string} word @param {number} [original] its probability */
  bar([predicted, probability], word, original) {
    const bar = make("span", { class: "be-probability-bar" });
    bar.style.width = `${100 * probability}%`;
    const ghost = original === undefined ? null : make("span", { class: "be-probability-ghost" });
    if (ghost && original !== undefined) ghost.style.width = `${100 * original}%`;
    const was = original === undefined ? null : make("span", { class: "be-was", text: `was ${percent(original).replace("under ", "<")}`, "data-value": original });
    const same = predicted.toLowerCase() === word.toLowerCase();
    return make("div", { class: `be-prediction${same ? " be-right" : ""}`, role: "listitem" },
      make("span", { class: "be-predicted-word", text: predicted }),
      make("span", { class: "be-probability-room", "aria-hidden": "true" }, bar, ghost),
      make("span", { class: "be-probability", text: percent(probability), "data-value": probability }), was); // prettier-ignore
  }
}

/** @param {number} probability */
function percent(probability) {
  return probability < 0.001 ? "under 0.1 %" : `${(100 * probability).toFixed(1)} %`;
}

/** The text around [MASK], truncated if it is long. @param {string} text */
function clip(text) {
  const [start, end] = [text.indexOf("[MASK]") - 60, text.indexOf("[MASK]") + 66];
  return `${start > 0 ? "…" : ""}${text.slice(Math.max(0, start), end)}${end < text.length ? "…" : ""}`;
}

export { PredictionsPanel };
