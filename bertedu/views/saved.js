// A view in a saved page, which contains its data.

import { mount, newRoot, showMessage } from "./frame.js";
import { Parts } from "./parts.js";

/** @param {string} text @returns {Uint8Array<ArrayBuffer>} */
function fromBase64(text) {
  const native = /** @type {any} */ (Uint8Array).fromBase64; // in browsers since 2025, many times faster
  if (native) return native.call(Uint8Array, text);
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

/** An element of the page that `view.save` wrote. @param {string} selector */
function requireElement(selector) {
  const element = document.querySelector(selector);
  if (!(element instanceof HTMLElement)) throw new Error(`the page has no element ${selector}`);
  return element;
}

/** @param {string} name */
async function inflate(name) {
  const block = requireElement(`script[data-part="${CSS.escape(name)}"]`);
  const compressed = fromBase64(block.textContent ?? "");
  const stream = new Blob([compressed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Shows the view in a saved page; if that fails, the static figure remains. @param {ShowView} show */
function startSaved(show) {
  const setup = JSON.parse(requireElement("#bertedu-setup").textContent ?? "");
  const root = newRoot();
  requireElement("#bertedu-view").append(root);
  setup.title = null; // the page's heading has it
  const parts = new Parts(inflate);
  /** @type {Source} */
  const source = { part: (name) => parts.get(name), exact: () => Promise.resolve(null), close: () => {} };
  mount(show, root, setup, source, [])
    .then(() => (requireElement("#bertedu-figure").hidden = true))
    .catch((error) => showMessage(root, `Only the static figure can be shown: ${error.message}`, "alert"));
}

export { startSaved };
