// The frame of every view, and mounting a view into a page.

import { make } from "./elements.js";
import { followTheme, oncePerFrame } from "./theme.js";

/** The elements around a view: title, notes, controls, stage, readout, status and table. */
class Frame {
  /**
   * @param {HTMLElement} root
   * @param {Setup} setup
   * @param {string} name of the view, used if it has no title
   * @param {() => Node} tabulate returns a table of what is shown
   */
  constructor(root, setup, name, tabulate) {
    this.tabulate = tabulate;
    this.timer = 0;
    this.controls = make("div", { class: "be-controls" });
    this.body = make("div", { class: "be-body" });
    this.status = make("p", { class: "be-status" });
    this.readout = make("p", { class: "be-readout" });
    this.live = make("p", { class: "be-hidden", "aria-live": "polite", "aria-atomic": "true" });
    this.tableRoom = make("div", { class: "be-table-room", hidden: true, tabindex: 0, role: "region", "aria-label": "Table" });
    this.tableButton = make("button", { type: "button", class: "be-button", "aria-expanded": "false", text: "Show as table" });
    this.tableButton.addEventListener("click", () => this.toggleTable());
    const notes = setup.notes.map((text) => make("p", { class: "be-note", text }));
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

  /** Announces `text` (by default the readout) to screen readers, a moment after the last change. */
  announce(text = this.readout.textContent) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (this.live.textContent = text), 200);
  }

  close() {
    clearTimeout(this.timer);
  }
}

/** Creates the element that contains a view. */
function newRoot() {
  return make("div", { class: "bertedu-view", role: "region", "aria-label": "Attention" });
}

/** Shows a message instead of a view. @param {HTMLElement} root @param {string} text @param {string | null} role */
function showMessage(root, text, role = null) {
  root.replaceChildren(make("p", { class: "be-note", role, text }));
}

/**
 * Shows a view and redraws it when the host's theme or size changes; adds functions to `cleanups` for when it closes.
 * @param {ShowView} show
 * @param {HTMLElement} root
 * @param {Setup} setup
 * @param {Source} source
 * @param {(() => void)[]} cleanups
 */
async function mount(show, root, setup, source, cleanups) {
  /** @type {Shown | null} */
  let view = null;
  const redraw = oncePerFrame(() => view?.redraw());
  cleanups.push(followTheme(root, redraw));
  view = await show(root, setup, source);
  const observer = new ResizeObserver(redraw);
  observer.observe(root);
  cleanups.push(() => observer.disconnect(), view.close);
  root.dataset.drawn = "true";
  return view;
}

export { Frame, mount, newRoot, showMessage };
