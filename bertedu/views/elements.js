// Page elements. External text is set through textContent and setAttribute only, never as HTML.

/**
 * Creates an element with attributes and children. `on` is an object of listeners, `text` the text content; false and
 * null leave an attribute out.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} attributes
 * @param {...(Node | string | null | undefined)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else if (name === "on") Object.entries(value).forEach(([event, run]) => element.addEventListener(event, run));
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  for (const child of children) if (child !== null && child !== undefined) element.append(child);
  return element;
}

let lastId = 0;
/**
 * Returns an id that is unique in the page.
 * @param {string} name
 */
function uniqueId(name) {
  lastId += 1;
  return `be-${name}-${lastId}-${Math.random().toString(36).slice(2, 8)}`;
}

/**
 * Creates a labeled group of controls.
 * @param {string} label
 * @param {...Node} controls
 */
function group(label, ...controls) {
  const id = uniqueId("label");
  const name = make("span", { class: "be-label", id, text: label });
  return make("div", { class: "be-group", role: "group", "aria-labelledby": id }, name, ...controls);
}

/**
 * Creates a section with a heading.
 * @param {string} heading
 * @param {...(Node | null)} children
 */
function panel(heading, ...children) {
  const id = uniqueId("panel");
  const title = make("p", { class: "be-subtitle", id, text: heading });
  return make("section", { class: "be-panel", "aria-labelledby": id }, title, ...children);
}

/**
 * Creates a check box with a label; `change` is called with its state.
 * @param {string} text
 * @param {boolean} checked
 * @param {(on: boolean) => void} change
 */
function checkBox(text, checked, change, attributes = {}) {
  const box = make("input", { type: "checkbox", checked, ...attributes });
  box.addEventListener("change", () => change(box.checked));
  const label = make("label", { class: "be-check" }, box, make("span", { text }));
  return { label, box };
}

/**
 * Creates a group of native radio buttons, styled as one bar.
 * @param {string} name
 * @param {[string, string][]} options value and label
 * @param {string} chosen
 * @param {(value: string) => void} change
 */
function radioBar(name, options, chosen, change) {
  const shared = uniqueId(name);
  const bar = make("div", { class: "be-segments" });
  for (const [value, text] of options) {
    const input = make("input", { type: "radio", name: shared, value, checked: value === chosen });
    input.addEventListener("change", () => change(value));
    bar.append(make("label", {}, input, make("span", { text })));
  }
  return bar;
}

/**
 * Creates a list of numbers to choose from, with buttons for the previous and the next one.
 * @param {string} name
 * @param {number[]} values
 * @param {number} chosen
 * @param {(value: number) => void} change
 * @param {(value: number) => string} label
 */
function stepper(name, values, chosen, change, label = String) {
  const list = make("select", { class: "be-select", "aria-label": name });
  for (const value of values) list.append(make("option", { value, text: label(value), selected: value === chosen }));
  const update = () => {
    previous.setAttribute("aria-disabled", String(list.selectedIndex <= 0));
    next.setAttribute("aria-disabled", String(list.selectedIndex >= values.length - 1));
  };
  const changed = () => {
    update();
    change(values[list.selectedIndex]);
  };
  /** @type {(text: string, label: string, step: number) => HTMLButtonElement} */
  const button = (text, label, step) => {
    const click = () => {
      const index = list.selectedIndex + step;
      if (index < 0 || index >= values.length) return;
      list.selectedIndex = index;
      changed();
    };
    return make("button", { type: "button", class: "be-step", "aria-label": label, text, on: { click } });
  };
  const previous = button("‹", `Previous ${name.toLowerCase()}`, -1);
  const next = button("›", `Next ${name.toLowerCase()}`, 1);
  list.addEventListener("change", changed);
  update();
  /** @type {(value: number) => void} */
  const choose = (value) => {
    list.selectedIndex = values.indexOf(value);
    update();
  };
  return { element: make("span", { class: "be-stepper" }, previous, list, next), choose };
}

/**
 * Gives a row of buttons a roving tabindex: one Tab stop, and arrow keys, Home and End move between the buttons.
 * @param {HTMLElement[]} buttons
 */
function rovingTabindex(buttons, columns = 1) {
  /** @type {Record<string, number>} */
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns };
  /** @type {Record<string, number>} */
  const ends = { Home: 0, End: buttons.length - 1 };
  buttons.forEach((button, index) => {
    button.tabIndex = index === 0 ? 0 : -1;
    button.addEventListener("keydown", (event) => {
      const target = ends[event.key] ?? buttons.indexOf(button) + (steps[event.key] ?? NaN);
      if (!buttons[target]) return;
      event.preventDefault();
      buttons[target].focus();
    });
    button.addEventListener("focus", () => buttons.forEach((other) => (other.tabIndex = other === button ? 0 : -1)));
  });
}

/**
 * Creates a table; the first cell of a row is its heading.
 * @param {string} caption
 * @param {string[]} head
 * @param {Cell[][]} rows
 */
function table(caption, head, rows) {
  /** @type {(tag: "td" | "th", content: Cell, scope?: string) => HTMLElement} */
  const cell = (tag, content, scope) => {
    const { text, value } = typeof content === "object" ? content : { text: content, value: null };
    const style = tag === "td" && !/^[−\d]/.test(text) ? "be-text-cell" : null;
    return make(tag, { scope, class: style, text, "data-value": value });
  };
  const body = rows.map(([first, ...rest]) =>
    make("tr", {}, cell("th", first, "row"), ...rest.map((content) => cell("td", content))),
  );
  return make(
    "table",
    { class: "be-table" },
    make("caption", { text: caption }),
    make("thead", {}, make("tr", {}, ...head.map((text) => cell("th", text, "col")))),
    make("tbody", {}, ...body),
  );
}

export { checkBox, group, make, panel, radioBar, rovingTabindex, stepper, table, uniqueId };
