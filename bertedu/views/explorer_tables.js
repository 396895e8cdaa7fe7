// The explorer's tables: tokens with principal components, statistics of every head, and predictions.

import { make, table } from "./elements.js";
import { counted, numberCell } from "./numbers.js";

/** @param {ReadingMessage} message @param {Projection} projection */
function tokenTable({ tokens, ids, type_ids, offsets }, { points, original_points }) {
  const coordinates = [points, original_points].filter((one) => one !== null && one !== undefined);
  const rows = tokens.map((token, index) => [
    token, String(ids[index]), String(type_ids[index]), offsets[index]?.join(" to ") ?? "none",
    ...coordinates.flatMap((all) => (all[index] ?? []).map((value) => numberCell(value))),
  ]); // prettier-ignore
  const names = ["", ", original"].slice(0, coordinates.length).flatMap((which) => [`Component 1${which}`, `Component 2${which}`]);
  const caption = `Tokens${points ? ", and their principal components" : ""}`;
  return table(caption, ["Token", "Id", "Type", "Characters", ...names], rows);
}

/** @param {Cell[][]} rows @param {Description} description */
function headTable(rows, { measures }) {
  const names = measures.map(([, label, unit]) => (unit ? `${label}, ${unit}` : label));
  return table(`${counted(rows.length, "head")}, as layer·head`, ["Head", "Label", ...names], rows);
}

/** @param {Prediction} prediction */
function predictionTable({ word, top_predictions, original_probabilities }) {
  const rows = top_predictions.map(([text, probability], index) => {
    const original = original_probabilities ? [numberCell(original_probabilities[index])] : [];
    return [text, numberCell(probability), ...original];
  });
  const head = ["Prediction", "Probability", ...(original_probabilities ? ["Original probability"] : [])];
  return table(`Predictions for “${word}”`, head, rows);
}

/**
 * Creates the tables of everything that the explorer shows.
 * @param {ReadingMessage} message
 * @param {Projection} projection
 * @param {Cell[][]} heads
 * @param {Prediction | null} prediction
 * @param {Description} description
 */
function explorerTables(message, projection, heads, prediction, description) {
  const tables = [tokenTable(message, projection)];
  if (heads.length) tables.push(headTable(heads, description));
  if (prediction) tables.push(predictionTable(prediction));
  return make("div", {}, ...tables);
}

export { explorerTables };
