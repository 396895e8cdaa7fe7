// The part of the stand-in that runs in the notebook's page: VS Code's own widget manager (`window.vscIPyWidgets8`,
// which a preload put there) on a kernel connection whose socket is the extension. The elements around a widget, the
// wait for its model, what happens without one, and the care for buttons are as in the Jupyter extension.
import { ServerConnection } from "@jupyterlab/services";
import { KernelConnection } from "@jupyterlab/services/lib/kernel/default";

const rendered = new Map();
let socket = null;
let manager = null;
let kernel = null;
let known = null;

const toText = (bytes) => btoa(Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join(""));
const toBytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
const take = ({ text, bytes }) => socket?.onmessage?.({ data: text ?? toBytes(bytes) });

function socketTo(context, protocol) {
  return class {
    constructor() {
      socket = this;
      this.protocol = protocol;
      setTimeout(() => this.onopen?.());
    }
    send(data) {
      context.postMessage({ kind: "send", ...(typeof data === "string" ? { text: data } : { bytes: toText(data) }) });
    }
    close() {}
  };
}

/** A manager for this kernel, and what the kernel has said so far; without a kernel there is none. */
function connect(context, { model, clientId, protocol, backlog }) {
  manager?.dispose();
  kernel?.dispose();
  manager = kernel = socket = null;
  if (!model) return;
  window.vscIPyWidgets8.load();
  const addresses = { wsUrl: "ws://stand-in", baseUrl: "http://stand-in" };
  const serverSettings = ServerConnection.makeSettings({ WebSocket: socketTo(context, protocol), ...addresses });
  kernel = new KernelConnection({ serverSettings, clientId, handleComms: true, model });
  const folder = new URL("./nbextensions/", import.meta.url).href;
  const scripts = {
    widgetsRegisteredInRequireJs: new Set(),
    loadWidgetScript: async (name) => requirejs.config({ paths: { [name]: `${folder}${name}/index` } }),
    errorHandler: (...told) => console.error(...told),
    successHandler() {},
  };
  manager = new window.vscIPyWidgets.WidgetManager(kernel, undefined, scripts, () => {});
  backlog.forEach(take);
}

async function modelOf(id) {
  for (let tries = 0; tries < 100 && manager; tries += 1) {
    if (manager.has_model(id)) return manager.get_model(id);
    await new Promise((done) => setTimeout(done, 100));
  }
  const error = new Error("no such model in this kernel");
  error.name = "vscode.fallbackToNextRenderer";
  throw error;
}

/** Gives buttons a stop of the Tab key, and Enter and Space a click of their own. */
function careForButtons(element) {
  for (const button of element.querySelectorAll('button:not([tabindex]), [role="button"]:not([tabindex])')) {
    button.tabIndex = 0;
    button.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      button.click();
    });
  }
}

export function activate(context) {
  const style = document.createElement("style");
  style.textContent = STYLE; // esbuild puts the text of style.css here
  document.head.append(style);
  let hear;
  const heard = new Promise((done) => (hear = done));
  context.onDidReceiveMessage((message) => {
    if (message.kind === "message") take(message);
    if (message.kind !== "kernel" || known === message.model?.id) return;
    known = message.model?.id;
    connect(context, message);
    hear();
  });
  context.postMessage({ kind: "ready" });
  return {
    async renderOutputItem(item, element) {
      await heard;
      const data = item.json();
      const model = await modelOf(data.model_id);
      rendered.get(item.id)?.dispose();
      element.classList.add("cell-output-ipywidget-background");
      element.firstChild?.remove();
      const room = document.createElement("div");
      room.className = "cell-output-ipywidget-background";
      Object.assign(room, { tabIndex: 0, role: "region", ariaLabel: "Interactive widget output" });
      const inner = document.createElement("div");
      inner.className = "cell-output cell-output";
      room.append(inner);
      element.append(room);
      const view = await manager.create_view(model, { el: room });
      rendered.set(item.id, await manager.display_view(data, view, { node: room }));
      setTimeout(() => careForButtons(room), 500);
    },
    disposeOutputItem() {}, // the Jupyter extension leaves the widget as it is, too
  };
}
