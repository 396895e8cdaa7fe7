// The host's theme, and canvases at the screen's resolution.

/** Colors of heads, distinguishable under common color blindnesses (after Okabe and Ito), contrast at least 3:1. */
const PALETTE = {
  light: ["#005fa3", "#d55e00", "#00875f", "#c2538f", "#2f97d6", "#a87300", "#3d3d3d"],
  dark: ["#5aa9e6", "#ff8a4c", "#3cc79a", "#ee8fc0", "#a9dbff", "#f2be4a", "#d8d8d8"],
};
/** Line dashes for heads beyond the palette, as in the figures: solid, dashed, dotted. */
const DASHES = [[], [7, 3], [2, 3]];

/**
 * Returns "dark" or "light": from the background behind the element, or from the user's preference if there is none.
 * @param {HTMLElement} element
 */
function hostTheme(element) {
  for (let node = element.parentElement; node; node = node.parentElement) {
    const color = getComputedStyle(node).backgroundColor.match(/[\d.]+/g) ?? ["0", "0", "0", "0"];
    const [red, green, blue, alpha = 1] = color.map(Number);
    if (alpha > 0.5) return 0.299 * red + 0.587 * green + 0.114 * blue < 110 ? "dark" : "light";
  }
  // VS Code's page is transparent, its background belongs to the parent page and may differ from the preference
  const kind = document.body.dataset.vscodeThemeKind;
  if (kind) return /light/.test(kind) ? "light" : "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/**
 * Keeps `root`'s theme equal to the host's, and calls `redraw` when it changes; returns a function that stops this.
 * @param {HTMLElement} root
 * @param {() => void} redraw
 */
function followTheme(root, redraw) {
  const update = () => {
    const theme = hostTheme(root);
    if (theme === root.dataset.theme) return;
    root.dataset.theme = theme;
    redraw();
  };
  const later = () => setTimeout(update, 60); // after the host's own style
  const observer = new MutationObserver(later);
  for (const node of [document.documentElement, document.body]) observer.observe(node, { attributes: true });
  const query = matchMedia("(prefers-color-scheme: dark)");
  query.addEventListener("change", later);
  update();
  return () => {
    observer.disconnect();
    query.removeEventListener("change", later);
  };
}

/** The theme of a view. @param {HTMLElement} root @returns {"light" | "dark"} */
function themeOf(root) {
  return root.dataset.theme === "dark" ? "dark" : "light";
}

/** The color of head `number` on this theme. @param {HTMLElement} root @param {number} number */
function headColor(root, number) {
  const colors = PALETTE[themeOf(root)];
  return colors[number % colors.length];
}

/** A custom property of the view's style. @param {HTMLElement} root @param {string} name */
function styleProperty(root, name) {
  return getComputedStyle(root).getPropertyValue(name).trim();
}

/** The context of a canvas. @param {HTMLCanvasElement} canvas @returns {CanvasRenderingContext2D} */
function context2d(canvas) {
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser does not support canvas drawing");
  return context;
}

/**
 * Resizes a canvas to the screen's resolution; returns its context, in CSS pixels.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 */
function sharp(canvas, width, height) {
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  const [pixelWidth, pixelHeight] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== pixelWidth || canvas.height !== pixelHeight) {
    canvas.width = pixelWidth;
    canvas.height = pixelHeight;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = context2d(canvas);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/** `text`, truncated to fit `width`. @param {CanvasRenderingContext2D} context @param {string} text @param {number} width */
function clipped(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let characters = [...text].slice(0, 24);
  while (characters.length > 1 && context.measureText(`${characters.join("")}…`).width > width) characters = characters.slice(0, -1);
  return `${characters.join("")}…`;
}

/** Returns a function that calls `run` once before the next frame, however often it is called. @param {() => void} run */
function oncePerFrame(run) {
  let request = 0;
  return () => {
    if (request) return;
    request = requestAnimationFrame(() => {
      request = 0;
      run();
    });
  };
}

export { DASHES, PALETTE, clipped, context2d, followTheme, headColor, oncePerFrame, sharp, styleProperty, themeOf };
