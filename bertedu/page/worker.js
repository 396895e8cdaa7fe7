// The worker: the model lives here, so that the page stays responsive while it computes. The page fetches the files and
// hands them over; the worker itself loads nothing. Requests are answered one after another, in their order.

import { BertReader } from "./bert_reader.js";
import { readSafetensors } from "./safetensors.js";
import { Encoder, MaskedLM } from "./transformer.js";
import { WordPiece } from "./wordpiece.js";

/** @typedef {{config: any, kernels: ArrayBuffer, weights: ArrayBuffer, vocabulary: string}} ModelFiles */
/** @typedef {{id: number, ask: string, reader: number, question: any}} Request */
/** @typedef {{postMessage: (message: any, transfer: Transferable[]) => void, onmessage: ((event: MessageEvent) => void) | null}} Port */

/** Creates the model from its files. @param {ModelFiles} files */
async function createModel({ config, kernels, weights, vocabulary }) {
  const tensors = readSafetensors(weights);
  const encoder = await Encoder.create(config.model, tensors, kernels);
  const tokens = vocabulary.split("\n").slice(0, config.model.vocab_size); // the file ends with a line feed
  const masked_lm = config.can_fill_mask ? new MaskedLM(encoder, tensors) : null;
  return { tokenizer: new WordPiece(tokens, config.model), vocabulary: tokens, encoder, masked_lm };
}

/** Answers the requests that arrive at a port, such as the worker's own scope. @param {Port} port */
function serve(port) {
  /** @type {import("./bert_reader.js").Model | null} */
  let model = null;
  /** @type {any} */
  let config = null;
  /** @type {Map<number, BertReader>} */
  const readers = new Map(); // one for each explorer, so that one does not evict the texts of another

  /** @param {Request} request @returns {Promise<any>} */
  const answer = async ({ ask, reader, question }) => {
    if (ask === "start") {
      config = question.config;
      model = await createModel(question);
      return null;
    }
    if (ask === "close") return readers.delete(reader);
    if (!model) throw new Error("the model is not loaded");
    const current = readers.get(reader) ?? new BertReader(config, model);
    readers.set(reader, current);
    const answers = {
      describe: () => current.describe(),
      read: () => current.read(question),
      layer: () => current.layer(question),
      exact: () => current.exact(question),
      projection: () => current.projection(question),
      similarity: () => current.similarity(question),
      fill_mask: () => current.fillMask(question),
    };
    return answers[/** @type {keyof typeof answers} */ (ask)]();
  };

  /** @type {Promise<void>} */
  let last = Promise.resolve();
  port.onmessage = ({ data }) => {
    const { id } = data;
    last = last.then(() => answer(data)).then(
      (result) => port.postMessage({ id, result }, result instanceof Float32Array ? [result.buffer] : []),
      (error) => port.postMessage({ id, error: error.message, out_of_memory: error instanceof RangeError }, []),
    ); // prettier-ignore
  };
}

export { serve };
