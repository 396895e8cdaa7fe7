// Types of the messages between a page and its data source. TypeScript reads this file as a script, so that all modules
// can use the names; no module imports it, and no page contains it. `reader.py` declares the reader's types in Python.

// ---- every view ------------------------------------------------------------------------------------------------------

/**
 * The initial state of a view.
 * @typedef {object} Setup
 * @property {string | null} title
 * @property {string[]} notes
 * @property {boolean} exact whether float32 values are available
 * @property {number[]} layers the layers in the page
 * @property {number} layer the one shown first
 * @property {[number, number]} [figure] width and height of the static figure in pixels
 */

/**
 * The data source of a view.
 * @typedef {object} Source
 * @property {(name: string) => Promise<Uint8Array>} part quantized rows, in the format of `arrays.packed` in Python
 * @property {(question: object) => Promise<Float32Array | null>} exact null if only rounded values are available
 * @property {() => void} close
 */

/**
 * A source with a kernel, which answers any request of the view.
 * @typedef {Source & {ask: (question: object) => Promise<any>, store: (name: string, bytes: Uint8Array) => void}} Channel
 */

/**
 * A view on the page. `choices` returns the changes to its setup that restore its current state.
 * @typedef {object} Shown
 * @property {() => void} redraw
 * @property {() => void} close
 * @property {() => object} [choices]
 * @property {(layer: number, heads: number[]) => void} [select] of the explorer: selects a layer and heads
 */

/** @typedef {(root: HTMLElement, setup: any, source: any) => Promise<Shown>} ShowView */

/** @typedef {string | {text: string, value: string | null}} Cell a table cell; `value` in full precision */

// ---- the head view ---------------------------------------------------------------------------------------------------

/**
 * @typedef {object} HeadFields
 * @property {string[]} tokens
 * @property {number[]} special 1 for special tokens
 * @property {number[]} segments 0 and 1 for the two texts, -1 for neither
 * @property {number} heads
 * @property {number[]} chosen heads shown first
 * @property {boolean} signed whether weights can be negative
 * @typedef {Setup & HeadFields} HeadSetup
 */

/** @typedef {"query" | "key"} Side */
/** @typedef {"all" | "AA" | "AB" | "BA" | "BB"} Direction between two texts */
/**
 * Changes by the user.
 * @typedef {object} ChoiceChanges
 * @property {number} [layer]
 * @property {Set<number>} [heads]
 * @property {boolean} [average]
 * @property {Direction} [direction]
 * @property {boolean} [hide] special tokens
 * @property {boolean} [rescale]
 * @property {number} [minimum] the minimum weight shown
 */
/** @typedef {{side: Side, index: number}} Focus a query or key */
/** @typedef {{strength: number, series: number, query: number, key: number, value: number}} Line */
/** @typedef {{index: number, weights: number[] | null, mean: number | null}} Partner a token in the other list than the focus */
/**
 * What the stage draws in gray.
 * @typedef {object} GhostDrawing
 * @property {Line[]} lines of the original, where they differ
 * @property {(number | null)[]} means the original mean weight of each partner, where it differs
 * @property {Set<number>} off heads that are off
 */

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
 * @property {number[][]} topKeys the key with the largest mean weight, for each head
 * @property {number[][]} topWeights that mean
 * @typedef {Setup & ModelFields} ModelSetup
 */

/**
 * @typedef {object} NeuronFields
 * @property {string[]} tokens
 * @property {number} heads
 * @property {number} keyDim dimensions of queries and keys
 * @property {number} head
 * @property {number} token
 * @property {number[] | null} mask 0 for masked keys
 * @property {boolean} attention whether the model's weights are available
 * @property {boolean[][]} pruned for each layer and head, whether it was removed from the model
 * @typedef {Setup & NeuronFields} NeuronSetup
 */

/** @typedef {{queries: Float32Array, keys: Float32Array, modelWeights: Float32Array | null}} HeadData */
/** @typedef {{query: Float32Array, products: Float32Array, logits: number[], weights: number[]}} QueryResult */

// ---- the explorer's reader -------------------------------------------------------------------------------------------

/**
 * A model that reads texts for the explorer: in a kernel, in a saved page, or in the page itself.
 * @typedef {object} Reader
 * @property {() => Promise<Description>} describe
 * @property {(text: string, pair: string, edits: Edits) => Promise<ReadText>} read
 * @property {(readText: ReadText, token: number) => Promise<Prediction>} fillMask rejects for a special token
 * @property {(choice: PageChoice) => void} [remember] stores what the page shows
 */

/**
 * What is switched off: heads as pairs of layer and head, and indices of layers.
 * @typedef {{heads: [number, number][], attention: number[], layers: number[]}} Edits
 */

/**
 * @typedef {object} Description
 * @property {string} name
 * @property {number} num_layers
 * @property {number} num_heads
 * @property {number} hidden_size
 * @property {boolean} can_fill_mask
 * @property {string} fill_mask_note
 * @property {[string, string, string][]} measures of head statistics: key, label, unit
 */

/**
 * A text or a pair of texts that was read. Arrays are fetched on request.
 * @typedef {object} ReadText
 * @property {ReadingMessage} message
 * @property {Attention} attention rejects if the reader no longer has the text
 * @property {Attention | null} original of the same text without edits; null if there are none
 * @property {(hidden_state: number) => Promise<Projection>} projection
 * @property {() => Promise<Similarity | null>} similarity null if there is only one text
 */

/**
 * One entry per token, [CLS] and [SEP] included.
 * @typedef {object} ReadingMessage
 * @property {string[]} texts the second is "" if there is only one
 * @property {Edits} edits
 * @property {string[]} tokens
 * @property {number[]} special 1 for special tokens
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
 * @property {Record<string, number[][]>} [values] for each measure, one row per layer
 * @property {string[][]} [labels]
 * @property {string} [note] the reason, if there are none
 */

/**
 * @typedef {object} Projection
 * @property {number} hidden_state 0 for the embeddings, else the output of layer hidden_state - 1
 * @property {[number, number][] | null} points null for fewer than three tokens
 * @property {[number, number][]} [original_points] without edits, if there are any; the components are those of both
 * @property {number[]} variance the explained variance ratio of each component
 */

/**
 * @typedef {object} Similarity
 * @property {number} cosine
 * @property {number} [original_cosine] without edits, if there are any
 * @property {string} pooling
 */

/**
 * @typedef {object} Prediction
 * @property {number} token
 * @property {string} word
 * @property {string} masked_text
 * @property {[string, number][]} top_predictions word and probability, largest probability first
 * @property {number[]} [original_probabilities] of the same words without edits, if there are any
 */

/** @typedef {{layer: number, heads: number[], hidden_state: number, token: number | null}} PageChoice */

/** @typedef {{description: Description, hidden_state: number, token: number | null, heads: number[] | null}} ExplorerFields */
/** @typedef {Setup & ExplorerFields} ExplorerState the explorer's initial state */
