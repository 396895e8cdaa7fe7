// Types only: what goes between a page and the numbers behind it. TypeScript reads this file as a script, so that every
// module knows these names; no module imports it, and it is in no page. `reader.py` declares the reader's types too.

// ---- every view ------------------------------------------------------------------------------------------------------

/**
 * What a view knows first.
 * @typedef {object} Setup
 * @property {string | null} title
 * @property {string[]} notes
 * @property {boolean} exact whether float32 numbers can be asked for
 * @property {number[]} layers those that the page has
 * @property {number} layer the one shown first
 * @property {[number, number]} [picture] width and height of the static figure, in its own pixels
 */

/**
 * Where the numbers of a view come from.
 * @typedef {object} Source
 * @property {(name: string) => Promise<Uint8Array>} part rows of 8 bits, as `arrays.packed` in Python writes them
 * @property {(question: object) => Promise<Float32Array | null>} exact null where there are only rounded numbers
 * @property {() => void} close
 */

/**
 * A source with a kernel behind it, which answers any question of the view.
 * @typedef {Source & {ask: (question: object) => Promise<any>, keep: (name: string, bytes: Uint8Array) => void}} Channel
 */

/**
 * A view on the page. `chosen` returns what has to be in its setup for it to be shown again as it is.
 * @typedef {object} Shown
 * @property {() => void} redraw
 * @property {() => void} close
 * @property {() => object} [chosen]
 */

/** @typedef {(root: HTMLElement, setup: any, source: any) => Promise<Shown>} ShowView */

/** @typedef {string | {text: string, value: string | null}} Cell a cell of a table; `value` in full precision */

// ---- the head view ---------------------------------------------------------------------------------------------------

/**
 * @typedef {object} HeadFields
 * @property {string[]} tokens
 * @property {number[]} special 1 for tokens of the tokenizer's own
 * @property {number[]} segments 0 and 1 for the two texts, -1 for neither
 * @property {number} heads
 * @property {number[]} chosen heads shown first
 * @property {boolean} signed whether weights can be negative
 * @typedef {Setup & HeadFields} HeadSetup
 */

/** @typedef {"query" | "key"} Side */
/** @typedef {"all" | "AA" | "AB" | "BA" | "BB"} Direction between two texts */
/**
 * What a reader of the page changes.
 * @typedef {object} ChoiceChanges
 * @property {number} [layer]
 * @property {Set<number>} [heads]
 * @property {boolean} [average]
 * @property {Direction} [direction]
 * @property {boolean} [hide] special tokens
 * @property {boolean} [rescale]
 * @property {number} [least] the weakest weight shown
 */
/** @typedef {{side: Side, index: number}} Focus a token in one of the two lists */
/** @typedef {{strength: number, series: number, query: number, key: number, value: number}} Line */
/** @typedef {{index: number, weights: number[] | null, mean: number | null}} Partner a token across from the focus */

/**
 * The attention of one text.
 * @typedef {object} Attention
 * @property {(layer: number) => Promise<Float32Array>} layer [N, T, T]
 * @property {(question: Focus & {layer: number}) => Promise<Float32Array | null>} exact [N, T], or null
 */

// ---- the model view and the neuron view --------------------------------------------------------------------------------

/**
 * @typedef {object} ModelFields
 * @property {string[]} tokens
 * @property {number} heads
 * @property {number} head
 * @property {boolean} signed
 * @property {number} side pixels of a thumbnail
 * @property {(number | string | null)[][] | null} values a number or a label for each head
 * @property {string} valuesName
 * @property {number[][]} seen the key with the largest mean weight, for each head
 * @property {number[][]} shares that mean
 * @typedef {Setup & ModelFields} ModelSetup
 */

/**
 * @typedef {object} NeuronFields
 * @property {string[]} tokens
 * @property {number} heads
 * @property {number} width numbers of a query
 * @property {number} head
 * @property {number} token
 * @property {number[] | null} mask 0 for keys that are hidden
 * @property {boolean} attention whether the model's own weights are there
 * @typedef {Setup & NeuronFields} NeuronSetup
 */

/** @typedef {{queries: Float32Array, keys: Float32Array, own: Float32Array | null}} HeadNumbers */
/** @typedef {{query: Float32Array, products: Float32Array, logits: number[], weights: number[]}} Meeting */

// ---- the explorer's reader -------------------------------------------------------------------------------------------

/**
 * A model that reads texts for the explorer: over a kernel, from a saved page, or in the page itself.
 * @typedef {object} Reader
 * @property {() => Promise<Description>} describe
 * @property {(text: string, pair: string, edits: Edits) => Promise<ReadText>} read
 * @property {(readText: ReadText, token: number) => Promise<Prediction>} fillMask rejects if it stands for no word
 * @property {(choice: PageChoice) => void} [remember] is told what the page shows
 */

/** @typedef {Record<string, unknown>} Edits changes to the model's computation; empty for now */

/**
 * @typedef {object} Description
 * @property {string} name
 * @property {number} num_layers
 * @property {number} num_heads
 * @property {number} hidden_size
 * @property {boolean} can_fill_mask
 * @property {string} fill_mask_note
 * @property {[string, string, string][]} measures of head statistics: key, words, unit
 */

/**
 * A text, or two, that was read. An array is fetched when it is asked for.
 * @typedef {object} ReadText
 * @property {ReadingMessage} message
 * @property {Attention} attention rejects once the reader has let go of the text
 * @property {(place: number) => Promise<Projection>} projection
 * @property {() => Promise<Similarity | null>} similarity null if there is only one text
 */

/**
 * One entry a token, [CLS] and [SEP] included.
 * @typedef {object} ReadingMessage
 * @property {string[]} texts the second is "" if there is only one
 * @property {string[]} tokens
 * @property {number[]} special 1 for tokens of the tokenizer's own, as [CLS]
 * @property {number[]} segments 0 and 1 for the two texts, -1 for neither
 * @property {number[]} ids
 * @property {number[]} type_ids
 * @property {([number, number] | null)[]} offsets start and end in characters of the token's text
 * @property {boolean} signed whether attention can be negative
 * @property {string[]} notes
 * @property {number} milliseconds
 * @property {Statistics} statistics
 */

/**
 * @typedef {object} Statistics
 * @property {Record<string, number[][]>} [values] for each measure a row a layer
 * @property {string[][]} [labels]
 * @property {string} [note] why there are none
 */

/**
 * @typedef {object} Projection
 * @property {number} place 0 for the embeddings, else the output of layer place - 1
 * @property {[number, number][] | null} points null for fewer than three tokens
 * @property {number[]} variance the share of each dimension
 */

/**
 * @typedef {object} Similarity
 * @property {number} cosine
 * @property {string} pooling
 */

/**
 * @typedef {object} Prediction
 * @property {number} token
 * @property {string} word
 * @property {string} masked_text
 * @property {[string, number][]} answers word and probability, the most probable first
 */

/** @typedef {{layer: number, heads: number[], place: number, token: number | null}} PageChoice */

/** @typedef {{description: Description, place: number, token: number | null, heads: number[] | null}} ExplorerFields */
/** @typedef {Setup & ExplorerFields} ExplorerState what the explorer shows first */
