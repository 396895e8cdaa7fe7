// A view in a saved page: its numbers are in the page itself.

import { mount, newRoot, sayInstead } from "./frame.js";
import { Parts } from "./parts.js";

/** @param {string} text @returns {Uint8Array<ArrayBuffer>} */
function fromBase64(text) {
  const native = /** @type {any} */ (Uint8Array).fromBase64; // since 2025, and many times faster
  if (native) return native.call(Uint8Array, text);
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

/** An element of the page that `view.save` wrote. @param {string} selector */
function written(selector) {
  const element = document.querySelector(selector);
  if (!(element instanceof HTMLElement)) throw new Error(`this page has no ${selector}`);
  return element;
}

/** @param {string} name */
async function inflate(name) {
  const block = written(`script[data-part="${CSS.escape(name)}"]`);
  const packed = fromBase64(block.textContent ?? "");
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Shows the view in a saved page; its static figure stays where the browser cannot. @param {ShowView} show */
function startSaved(show) {
  const setup = JSON.parse(written("#bertedu-setup").textContent ?? "");
  const root = newRoot();
  written("#bertedu-view").append(root);
  setup.title = null; // the page's heading says it
  const parts = new Parts(inflate);
  /** @type {Source} */
  const source = { part: (name) => parts.get(name), exact: () => Promise.resolve(null), close: () => {} };
  mount(show, root, setup, source, [])
    .then(() => (written("#bertedu-picture").hidden = true))
    .catch((error) => sayInstead(root, `Only the picture: ${error.message}`, "alert"));
}

export { startSaved };
