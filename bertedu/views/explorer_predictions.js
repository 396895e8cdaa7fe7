// The explorer's predictions: what the model would write in place of a word.

import { make, panel } from "./elements.js";

/** The panel. */
class PredictionsPanel {
  /**
   * @param {Reader} reader
   * @param {string} note
   * @param {(token: number | null) => void} onFrame is told which token's word is predicted
   */
  constructor(reader, note, onFrame) {
    this.reader = reader;
    this.onFrame = onFrame;
    /** @type {ReadText | null} */
    this.text = null;
    /** @type {number | null} */
    this.token = null;
    /** @type {Prediction | null} */
    this.prediction = null;
    this.asked = make("p", { class: "be-asked" });
    this.list = make("div", { class: "be-predictions", role: "list", "aria-label": "Predictions, most probable first" });
    const about = note ? make("p", { class: "be-note", text: note }) : null;
    this.element = panel("What could stand there?", this.asked, this.list, about);
  }

  /** @param {ReadText} text @param {number | null} token */
  async take(text, token) {
    this.text = text;
    const masked = text.message.tokens.indexOf("[MASK]");
    const chosen = token ?? (masked < 0 ? null : masked);
    if (chosen !== null) return this.choose(chosen);
    this.show(null, "Click a token, or write [MASK] in the text: the model predicts the word from all the others.");
  }

  /** @param {number} token */
  async choose(token) {
    const { text } = this;
    if (!text) return;
    if (!text.message.offsets[token]) {
      return this.show(null, `${text.message.tokens[token]} stands for no word: there is nothing to predict.`);
    }
    this.token = token;
    /** @type {{prediction: Prediction | null, reason: string}} */
    const { prediction, reason } = await this.reader.fillMask(text, token).then(
      (answer) => ({ prediction: answer, reason: "" }),
      (error) => ({ prediction: null, reason: error.message }),
    );
    if (text !== this.text || token !== this.token) return; // another was chosen meanwhile
    this.show(prediction, reason);
  }

  /** @param {Prediction | null} prediction @param {string} instead */
  show(prediction, instead) {
    this.prediction = prediction;
    this.token = prediction?.token ?? null;
    this.onFrame(this.token);
    this.list.hidden = !prediction;
    this.list.replaceChildren(...(prediction?.answers ?? []).map((answer) => this.bar(answer, prediction?.word ?? "")));
    if (!prediction) {
      this.asked.textContent = instead;
      return;
    }
    const { word, masked_text } = prediction;
    const place = word === "[MASK]" ? [] : ["In place of ", make("strong", { text: `“${word}”` }), ": "];
    this.asked.replaceChildren(...place, `“${clip(masked_text)}”`);
  }

  /** @param {[string, number]} answer @param {string} word */
  bar([answer, probability], word) {
    const bar = make("span", { class: "be-probability-bar" });
    bar.style.width = `${100 * probability}%`;
    const same = answer.toLowerCase() === word.toLowerCase();
    return make("div", { class: `be-prediction${same ? " be-right" : ""}`, role: "listitem" },
      make("span", { class: "be-predicted-word", text: answer }),
      make("span", { class: "be-probability-room", "aria-hidden": "true" }, bar),
      make("span", { class: "be-probability", text: percent(probability), "data-value": probability })); // prettier-ignore
  }
}

/** @param {number} probability */
function percent(probability) {
  return probability < 0.001 ? "under 0.1 %" : `${(100 * probability).toFixed(1)} %`;
}

/** The text around its [MASK], where all of it would be too long. @param {string} text */
function clip(text) {
  const [start, end] = [text.indexOf("[MASK]") - 60, text.indexOf("[MASK]") + 66];
  return `${start > 0 ? "…" : ""}${text.slice(Math.max(0, start), end)}${end < text.length ? "…" : ""}`;
}

export { PredictionsPanel };
