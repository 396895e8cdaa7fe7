// Elements of a page. Text from outside reaches it through textContent and setAttribute only, never as HTML.

/**
 * An element with attributes and children. `on` holds listeners, `text` its text; true and false set and leave out.
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
 * An id that nothing else in the page has.
 * @param {string} name
 */
function freshId(name) {
  lastId += 1;
  return `be-${name}-${lastId}-${Math.random().toString(36).slice(2, 8)}`;
}

/**
 * A labelled group of controls.
 * @param {string} label
 * @param {...Node} controls
 */
function group(label, ...controls) {
  const id = freshId("label");
  const name = make("span", { class: "be-label", id, text: label });
  return make("div", { class: "be-group", role: "group", "aria-labelledby": id }, name, ...controls);
}

/**
 * A heading and what stands below it.
 * @param {string} heading
 * @param {...(Node | null)} children
 */
function panel(heading, ...children) {
  const id = freshId("panel");
  const title = make("p", { class: "be-subtitle", id, text: heading });
  return make("section", { class: "be-panel", "aria-labelledby": id }, title, ...children);
}

/**
 * A check box with its label; `change` gets whether it is on.
 * @param {string} words
 * @param {boolean} checked
 * @param {(on: boolean) => void} change
 */
function checkBox(words, checked, change, attributes = {}) {
  const box = make("input", { type: "checkbox", checked, ...attributes });
  box.addEventListener("change", () => change(box.checked));
  const label = make("label", { class: "be-check" }, box, make("span", { text: words }));
  return { label, box };
}

/**
 * One of several options: native radio buttons that look like one bar.
 * @param {string} name
 * @param {[string, string][]} options value and words
 * @param {string} chosen
 * @param {(value: string) => void} change
 */
function oneOf(name, options, chosen, change) {
  const shared = freshId(name);
  const bar = make("div", { class: "be-segments" });
  for (const [value, words] of options) {
    const input = make("input", { type: "radio", name: shared, value, checked: value === chosen });
    input.addEventListener("change", () => change(value));
    bar.append(make("label", {}, input, make("span", { text: words })));
  }
  return bar;
}

/**
 * A list to choose a number from, with a button on each side for the previous and the next one.
 * @param {string} name
 * @param {number[]} values
 * @param {number} chosen
 * @param {(value: number) => void} change
 * @param {(value: number) => string} words
 */
function stepper(name, values, chosen, change, words = String) {
  const list = make("select", { class: "be-select", "aria-label": name });
  for (const value of values) list.append(make("option", { value, text: words(value), selected: value === chosen }));
  const update = () => {
    less.setAttribute("aria-disabled", String(list.selectedIndex <= 0));
    more.setAttribute("aria-disabled", String(list.selectedIndex >= values.length - 1));
  };
  const changed = () => {
    update();
    change(values[list.selectedIndex]);
  };
  /** @type {(sign: string, words: string, by: number) => HTMLButtonElement} */
  const button = (sign, words, by) => {
    const click = () => {
      const index = list.selectedIndex + by;
      if (index < 0 || index >= values.length) return;
      list.selectedIndex = index;
      changed();
    };
    return make("button", { type: "button", class: "be-step", "aria-label": words, text: sign, on: { click } });
  };
  const less = button("‹", `Previous ${name.toLowerCase()}`, -1);
  const more = button("›", `Next ${name.toLowerCase()}`, 1);
  list.addEventListener("change", changed);
  update();
  /** @type {(value: number) => void} */
  const choose = (value) => {
    list.selectedIndex = values.indexOf(value);
    update();
  };
  return { element: make("span", { class: "be-stepper" }, less, list, more), choose };
}

/**
 * Makes a row of buttons one stop of the Tab key, with the arrow keys, Home and End going from one to the next.
 * @param {HTMLElement[]} buttons
 */
function roving(buttons, columns = 1) {
  /** @type {Record<string, number>} */
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns };
  /** @type {Record<string, number>} */
  const ends = { Home: 0, End: buttons.length - 1 };
  buttons.forEach((button, index) => {
    button.tabIndex = index === 0 ? 0 : -1;
    button.addEventListener("keydown", (event) => {
      const there = ends[event.key] ?? buttons.indexOf(button) + (steps[event.key] ?? NaN);
      if (!buttons[there]) return;
      event.preventDefault();
      buttons[there].focus();
    });
    button.addEventListener("focus", () => buttons.forEach((other) => (other.tabIndex = other === button ? 0 : -1)));
  });
}

/**
 * A table; the first cell of a row is its heading.
 * @param {string} caption
 * @param {string[]} head
 * @param {Cell[][]} rows
 */
function table(caption, head, rows) {
  /** @type {(tag: "td" | "th", content: Cell, scope?: string) => HTMLElement} */
  const cell = (tag, content, scope) => {
    const { text, value } = typeof content === "object" ? content : { text: content, value: null };
    const words = tag === "td" && !/^[−\d]/.test(text) ? "be-words" : null;
    return make(tag, { scope, class: words, text, "data-value": value });
  };
  const body = rows.map(([first, ...rest]) =>
    make("tr", {}, cell("th", first, "row"), ...rest.map((content) => cell("td", content))),
  );
  return make(
    "table",
    { class: "be-table" },
    make("caption", { text: caption }),
    make("thead", {}, make("tr", {}, ...head.map((words) => cell("th", words, "col")))),
    make("tbody", {}, ...body),
  );
}

export { checkBox, freshId, group, make, oneOf, panel, roving, stepper, table };
