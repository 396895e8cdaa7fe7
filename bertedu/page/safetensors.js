// Safetensors: weights by name, from the file format of https://github.com/huggingface/safetensors.
//
//     8 bytes: size of the header | header: JSON, name -> {dtype, shape, data_offsets} | the values, little-endian

/** @typedef {{shape: number[], readonly values: Float32Array}} Tensor `values` are decoded each time they are read */

const LARGEST_HEADER = 1_000_000; // bytes

/**
 * Returns the tensors of a file, float16 as float32.
 *
 * Values are decoded on each access and not stored, so that a file and all its decoded tensors are not in memory together.
 *
 * @param {ArrayBuffer} buffer
 * @returns {Map<string, Tensor>}
 */
function readSafetensors(buffer) {
  if (buffer.byteLength < 8) throw expected("a safetensors file", `${buffer.byteLength} bytes`);
  const headerSize = Number(new DataView(buffer).getBigUint64(0, true));
  if (headerSize > Math.min(LARGEST_HEADER, buffer.byteLength - 8)) {
    throw expected(`a header within ${buffer.byteLength} bytes`, `one of ${headerSize} bytes`);
  }
  const start = 8 + headerSize;
  /** @type {Map<string, Tensor>} */
  const tensors = new Map();
  let next = 0; // the tensors follow one another without gaps
  for (const { name, dtype, shape, begin, end } of entries(new Uint8Array(buffer, 8, headerSize))) {
    const count = shape.reduce((product, size) => product * size, 1);
    const bytes = count * (dtype === "F16" ? 2 : 4);
    if (begin !== next || end !== begin + bytes) {
      throw expected(`${name} at bytes ${next} to ${next + bytes}`, `bytes ${begin} to ${end}`);
    }
    if (start + end > buffer.byteLength) throw expected(`${start + end} bytes`, `${buffer.byteLength}`);
    next = end;
    const decode = dtype === "F16" ? decodeFloat16 : decodeFloat32;
    tensors.set(name, {
      shape,
      get values() {
        return decode(buffer, start + begin, count);
      },
    });
  }
  if (start + next !== buffer.byteLength) throw expected(`${start + next} bytes`, `${buffer.byteLength}`);
  return tensors;
}

/**
 * Returns the checked entries of a header, in the order of their bytes.
 * @param {Uint8Array} bytes
 */
function entries(bytes) {
  let header;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw expected("a header in JSON", "something else");
  }
  if (!isObject(header)) throw expected("a JSON object as header", JSON.stringify(header).slice(0, 100));
  return Object.entries(header)
    .filter(([name]) => name !== "__metadata__")
    .map(([name, entry]) => {
      const { dtype, shape, data_offsets: offsets } = isObject(entry) ? entry : {};
      if (dtype !== "F16" && dtype !== "F32") throw expected(`${name} as F16 or F32`, JSON.stringify(dtype));
      if (!areSizes(shape)) throw expected(`a list of sizes as shape of ${name}`, JSON.stringify(shape));
      if (!areSizes(offsets) || offsets.length !== 2) {
        throw expected(`two data_offsets of ${name}`, JSON.stringify(offsets));
      }
      return { name, dtype, shape, begin: offsets[0], end: offsets[1] };
    })
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
}

/** @param {any} value */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @param {any} value @returns {value is number[]} */
function areSizes(value) {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/** @param {ArrayBuffer} buffer @param {number} start @param {number} count */
function decodeFloat32(buffer, start, count) {
  return new Float32Array(buffer.slice(start, start + 4 * count)); // a copy: `start` need not be a multiple of 4
}

/** @param {ArrayBuffer} buffer @param {number} start @param {number} count */
function decodeFloat16(buffer, start, count) {
  const halves = new Uint16Array(buffer.slice(start, start + 2 * count));
  const values = new Float32Array(count);
  float16Values ??= allFloat16Values();
  for (let i = 0; i < count; i++) values[i] = float16Values[halves[i]];
  return values;
}

/** @type {Float32Array | null} */
let float16Values = null;

/** Returns the values of all 65,536 float16: 1 bit sign, 5 bits exponent, 10 bits fraction. */
function allFloat16Values() {
  return Float32Array.from({ length: 65536 }, (_, half) => {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 31;
    const fraction = (half & 1023) / 1024;
    if (exponent === 0) return sign * 2 ** -14 * fraction;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * 2 ** (exponent - 15) * (1 + fraction);
  });
}

/** @param {string} what @param {string} got */
function expected(what, got) {
  return new Error(`weights: expected ${what}, got ${got}. The file is damaged or incomplete; load the page again.`);
}

export { readSafetensors };
