// Replaces the Jupyter extension, which npm does not have: runs cells in a kernel of a Jupyter server, and passes all
// messages of that kernel to the notebook's page; the page's widget manager answers over the same socket. The file
// STAND_IN_SERVER contains the server's address.
const fs = require("node:fs");
const vscode = require("vscode");
const { KernelAPI, ServerConnection } = require("@jupyterlab/services");
const { KernelConnection } = require("@jupyterlab/services/lib/kernel/default");
const WebSocket = require("ws");

const backlog = [];
let page = null;
let socket = null;
let running = null;

/** The kernel's socket; incoming messages go to the page too, as text, because these messages are JSON. */
class Tapped extends WebSocket {
  constructor(...options) {
    super(...options);
    this.binaryType = "arraybuffer";
    socket = this;
    this.addEventListener("message", ({ data }) => {
      const message = typeof data === "string" ? { text: data } : { bytes: Buffer.from(data).toString("base64") };
      backlog.push(message);
      page.postMessage({ kind: "message", ...message });
    });
  }
}

const settings = () => {
  const { url, token } = JSON.parse(fs.readFileSync(process.env.STAND_IN_SERVER, "utf8"));
  return ServerConnection.makeSettings({
    baseUrl: url,
    wsUrl: url.replace("http", "ws"),
    token,
    appendToken: true,
    WebSocket: Tapped,
    fetch,
    Request,
    Headers,
  });
};

async function kernel(notebook) {
  if (running) return running;
  const serverSettings = settings();
  const model = await KernelAPI.startNew({ name: "views" }, serverSettings);
  const connection = new KernelConnection({ model, serverSettings, handleComms: false });
  await connection.info; // the socket is open
  running = { model, connection, serverSettings };
  await page.postMessage(about());
  const folder = JSON.stringify(vscode.Uri.joinPath(notebook.uri, "..").fsPath);
  await connection.requestExecute({ code: `import os; os.chdir(${folder})`, silent: true }).done;
  return running;
}

function about() {
  const { model = null, connection } = running ?? {};
  return { kind: "kernel", model, clientId: connection?.clientId, protocol: socket?.protocol, backlog };
}

async function forget() {
  running?.connection.dispose();
  running = null;
  backlog.length = 0;
  await page.postMessage(about());
}

const output = ({ data, metadata }) => {
  const isRich = ([mime]) => mime.startsWith("application/");
  const richFirst = Object.entries(data).sort((one, other) => isRich(other) - isRich(one));
  const items = richFirst.map(([mime, value]) => {
    if (mime.startsWith("image/")) return new vscode.NotebookCellOutputItem(Buffer.from(value, "base64"), mime);
    const make = mime.includes("json") ? "json" : "text";
    return vscode.NotebookCellOutputItem[make](value, mime);
  });
  return new vscode.NotebookCellOutput(items, { metadata });
};

async function run(controller, cell) {
  const execution = controller.createNotebookCellExecution(cell);
  execution.start(Date.now());
  await execution.clearOutput();
  const { connection } = await kernel(cell.notebook);
  const future = connection.requestExecute({ code: cell.document.getText() });
  let shown = Promise.resolve();
  const show = (content) => (shown = shown.then(() => execution.appendOutput(output(content))));
  future.onIOPub = ({ header, content }) => {
    if (header.msg_type === "execute_input") execution.executionOrder = content.execution_count;
    if (header.msg_type === "display_data") show(content);
    if (header.msg_type === "stream") show({ data: { "text/plain": content.text } });
    if (header.msg_type === "error") show({ data: { "text/plain": content.traceback.join("\n") } });
  };
  const reply = await future.done;
  await shown;
  execution.end(reply.content.status === "ok", Date.now());
}

exports.activate = (context) => {
  page = vscode.notebooks.createRendererMessaging("stand-in-widgets");
  page.onDidReceiveMessage(({ message }) => {
    if (message.kind === "ready") page.postMessage(about());
    if (message.kind === "send") socket.send(message.text ?? Buffer.from(message.bytes, "base64"));
  });
  const controller = vscode.notebooks.createNotebookController("stand-in", "jupyter-notebook", "Python 3");
  controller.supportedLanguages = ["python"];
  controller.supportsExecutionOrder = true;
  controller.executeHandler = async (cells) => {
    for (const cell of cells) await run(controller, cell);
  };
  context.subscriptions.push(
    controller,
    vscode.commands.registerCommand("standIn.shutdown", async () => {
      await KernelAPI.shutdownKernel(running.model.id, running.serverSettings);
      await forget();
    }),
  );
};
