// The part of the stand-in in the notebook's page: VS Code's own widget manager (`window.vscIPyWidgets8`, set by a
// preload) on a kernel connection whose socket is the extension. The elements around a widget, the wait for its model,
// the fallback without one, and the handling of buttons are like those of the Jupyter extension.
import { ServerConnection } from "@jupyterlab/services";
import { KernelConnection } from "@jupyterlab/services/lib/kernel/default";

const rendered = new Map();
let socket = null;
let manager = null;
let kernel = null;
let currentModel = null;

const toText = (bytes) => btoa(Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join(""));
const toBytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer;
const receive = ({ text, bytes }) => socket?.onmessage?.({ data: text ?? toBytes(bytes) });

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

/** Creates a manager for this kernel and replays its messages so far; no manager without a kernel. */
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
    errorHandler: (...details) => console.error(...details),
    successHandler() {},
  };
  manager = new window.vscIPyWidgets.WidgetManager(kernel, undefined, scripts, () => {});
  backlog.forEach(receive);
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

/** Makes buttons focusable, and lets Enter and Space click them. */
function makeButtonsAccessible(element) {
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
  let resolveReady;
  const ready = new Promise((done) => (resolveReady = done));
  context.onDidReceiveMessage((message) => {
    if (message.kind === "message") receive(message);
    if (message.kind !== "kernel" || currentModel === message.model?.id) return;
    currentModel = message.model?.id;
    connect(context, message);
    resolveReady();
  });
  context.postMessage({ kind: "ready" });
  return {
    async renderOutputItem(item, element) {
      await ready;
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
      setTimeout(() => makeButtonsAccessible(room), 500);
    },
    disposeOutputItem() {}, // the Jupyter extension leaves the widget as it is, too
  };
}
