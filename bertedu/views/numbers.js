// Numbers as text, and unpacking of quantized numbers.

/** The shortest decimal that parses to this float32, like Python's repr of a numpy.float32. @param {number} number */
function shortest(number) {
  if (!Number.isFinite(number)) return String(number);
  for (let digits = 1; digits < 10; digits += 1) {
    const text = number.toPrecision(digits);
    if (Math.fround(Number(text)) === Math.fround(number)) return String(Number(text));
  }
  return String(number);
}

/** Three decimals, or one significant digit below 0.0005; with a true minus sign. @param {number} number */
function short(number) {
  const size = Math.abs(number);
  const text = size === 0 ? "0" : size < 0.0005 ? number.toExponential(0) : number.toFixed(size >= 100 ? 0 : 3);
  return text.replace("-", "−").replace("e−", "e-").replace("e+", "e");
}

/** A table cell: every digit of an exact number, three decimals of a rounded one. @param {number} number */
function numberCell(number, exact = false) {
  return { text: exact ? shortest(number) : short(number), value: String(number) };
}

/** A token in quotes, with its position if it occurs twice. @param {string[]} tokens @param {number} index */
function quoted(tokens, index) {
  const repeated = tokens.indexOf(tokens[index]) !== tokens.lastIndexOf(tokens[index]);
  return repeated ? `“${tokens[index]}” (${index})` : `“${tokens[index]}”`;
}

/** `count` and a noun, in the plural unless it is 1. @param {number} count @param {string} word */
function counted(count, word) {
  return `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
}

/** The numbers from 0 to count - 1. @param {number} count */
function range(count) {
  return Array.from({ length: count }, (_, index) => index);
}

/**
 * Unpacks the bytes of `arrays.packed` in Python: low and step of each row, then the levels.
 * @param {Uint8Array} bytes
 * @param {number} rows
 * @param {number} columns
 */
function unpack(bytes, rows, columns, offset = 0) {
  const at = bytes.byteOffset + offset;
  const scales = bytes.buffer.slice(at, at + 8 * rows); // a copy, because float32 needs aligned bytes
  const low = new Float32Array(scales, 0, rows);
  const step = new Float32Array(scales, 4 * rows, rows);
  const levels = bytes.subarray(offset + 8 * rows, offset + 8 * rows + rows * columns);
  const result = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row += 1) {
    const [from, scale] = [low[row], step[row]];
    const end = (row + 1) * columns;
    for (let i = row * columns; i < end; i += 1) result[i] = from + scale * levels[i];
  }
  return result;
}

export { counted, numberCell, quoted, range, short, shortest, unpack };
