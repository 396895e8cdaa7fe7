// The frame of every view, and how a view is mounted into a page.

import { make } from "./elements.js";
import { followTheme, oncePerFrame } from "./look.js";

/** What stands around a view: title, notes, room for controls and stage, the line that reads off numbers, the table. */
class Frame {
  /**
   * @param {HTMLElement} root
   * @param {Setup} setup
   * @param {string} name of the view, where it has no title
   * @param {() => Node} tabulate returns the table of what is shown now
   */
  constructor(root, setup, name, tabulate) {
    this.tabulate = tabulate;
    this.saying = 0;
    this.controls = make("div", { class: "be-controls" });
    this.body = make("div", { class: "be-body" });
    this.status = make("p", { class: "be-status" });
    this.readout = make("p", { class: "be-readout" });
    this.live = make("p", { class: "be-hidden", "aria-live": "polite", "aria-atomic": "true" });
    this.tableRoom = make("div", { class: "be-table-room", hidden: true, tabindex: 0, role: "region", "aria-label": "Table" });
    this.tableButton = make("button", { type: "button", class: "be-button", "aria-expanded": "false", text: "Show as table" });
    this.tableButton.addEventListener("click", () => this.toggleTable());
    const notes = setup.notes.map((words) => make("p", { class: "be-note", text: words }));
    const title = setup.title ? [make("p", { class: "be-title", text: setup.title })] : [];
    const foot = make("div", { class: "be-foot" }, this.status, this.tableButton);
    root.replaceChildren(...title, ...notes, this.controls, this.body, this.readout, foot, this.tableRoom, this.live);
    root.setAttribute("aria-label", setup.title || name);
  }

  toggleTable() {
    const open = this.tableRoom.hidden;
    this.tableRoom.hidden = !open;
    this.tableButton.setAttribute("aria-expanded", String(open));
    this.tableButton.textContent = open ? "Hide table" : "Show as table";
    this.refreshTable();
  }

  refreshTable() {
    if (!this.tableRoom.hidden) this.tableRoom.replaceChildren(this.tabulate());
  }

  /** Reads `text` (or what stands in the readout) aloud, a moment after the last change. */
  say(text = this.readout.textContent) {
    clearTimeout(this.saying);
    this.saying = setTimeout(() => (this.live.textContent = text), 200);
  }

  close() {
    clearTimeout(this.saying);
  }
}

/** The element that a view is drawn in. */
function newRoot() {
  return make("div", { class: "bertedu-view", role: "region", "aria-label": "Attention" });
}

/** A line in place of a view. @param {HTMLElement} root @param {string} text @param {string | null} role */
function sayInstead(root, text, role = null) {
  root.replaceChildren(make("p", { class: "be-note", role, text }));
}

/**
 * Shows a view and keeps it in step with the host's theme and size; `endings` gets what has to run at its end.
 * @param {ShowView} show
 * @param {HTMLElement} root
 * @param {Setup} setup
 * @param {Source} source
 * @param {(() => void)[]} endings
 */
async function mount(show, root, setup, source, endings) {
  /** @type {Shown | null} */
  let view = null;
  const redraw = oncePerFrame(() => view?.redraw());
  endings.push(followTheme(root, redraw));
  view = await show(root, setup, source);
  const observer = new ResizeObserver(redraw);
  observer.observe(root);
  endings.push(() => observer.disconnect(), view.close);
  root.dataset.drawn = "true";
  return view;
}

export { Frame, mount, newRoot, sayInstead };
