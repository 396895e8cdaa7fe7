// Numbers: as text, and out of the 8 bits in which they travel.

/** The shortest decimal that is this float32, as Python's repr of a numpy.float32. @param {number} number */
function shortest(number) {
  if (!Number.isFinite(number)) return String(number);
  for (let digits = 1; digits < 10; digits += 1) {
    const text = number.toPrecision(digits);
    if (Math.fround(Number(text)) === Math.fround(number)) return String(Number(text));
  }
  return String(number);
}

/** Three decimals, or one digit of what is smaller; a true minus sign. @param {number} number */
function short(number) {
  const size = Math.abs(number);
  const text = size === 0 ? "0" : size < 0.0005 ? number.toExponential(0) : number.toFixed(size >= 100 ? 0 : 3);
  return text.replace("-", "−").replace("e−", "e-").replace("e+", "e");
}

/** A number in a table: every digit of an exact one, three decimals of a rounded one. @param {number} number */
function written(number, exact = false) {
  return { text: exact ? shortest(number) : short(number), value: String(number) };
}

/** A token in quotes, with its position where it occurs twice. @param {string[]} tokens @param {number} index */
function named(tokens, index) {
  const twice = tokens.indexOf(tokens[index]) !== tokens.lastIndexOf(tokens[index]);
  return twice ? `“${tokens[index]}” (${index})` : `“${tokens[index]}”`;
}

/** `count` with its word. @param {number} count @param {string} word */
function counted(count, word) {
  return `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
}

/** The numbers from 0 on. @param {number} count */
function range(count) {
  return Array.from({ length: count }, (_, index) => index);
}

/**
 * Rows of 8 bits as they come from `arrays.packed` in Python: low and step of each row, then the levels.
 * @param {Uint8Array} bytes
 * @param {number} rows
 * @param {number} columns
 */
function unpack(bytes, rows, columns, offset = 0) {
  const at = bytes.byteOffset + offset;
  const scales = bytes.buffer.slice(at, at + 8 * rows); // a copy, as float32 wants its bytes aligned
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

export { counted, named, range, short, shortest, unpack, written };
