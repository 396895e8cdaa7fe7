// Loading the model's files: with progress, a check of each file, and a copy for the next visit.

const CACHE = "bertedu-page"; // of the browser's Cache API; its HTTP cache may refuse a file as large as the weights
const CRC_POLYNOMIAL = 0xedb88320;
const AGAIN = "Copy the whole folder again, or build it again with bertedu page, then reload.";

/** @typedef {{nbytes: number, crc32: number}} FileRecord size and checksum of a file, in model.json */
/** @typedef {(nbytes: number) => void} OnBytes called with the number of bytes that have arrived since the last call; negative if they were damaged */

/** For each byte the remainder of its division by the CRC's polynomial. */
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit += 1) remainder = remainder & 1 ? (remainder >>> 1) ^ CRC_POLYNOMIAL : remainder >>> 1;
  return remainder;
});

/** CRC-32 of bytes, as zlib.crc32 in Python; `crc` is that of the bytes before them. @param {Uint8Array} bytes @param {number} crc */
function crc32(bytes, crc = 0) {
  let register = ~crc;
  for (let i = 0; i < bytes.length; i += 1) register = CRC_TABLE[(register ^ bytes[i]) & 255] ^ (register >>> 8);
  return ~register >>> 0;
}

/** Fetches a file of this folder. @param {string} name @param {string} address @param {RequestInit} options */
async function fetchFile(name, address, options = {}) {
  const response = await fetch(address, options).catch(() => {
    throw new Error(`${name} cannot be reached. Check that the server of this page is still running, then reload.`);
  });
  if (!response.ok) throw new Error(`${name} is missing (HTTP status ${response.status}). ${AGAIN}`);
  return response;
}

/** The content of model.json, never an old one. */
async function fetchConfig() {
  const response = await fetchFile("model.json", "model.json", { cache: "no-cache" });
  return response.json().catch(() => {
    throw new Error(`model.json is damaged. ${AGAIN}`);
  });
}

/**
 * The content of a file, checked. Its address contains the build, so that the browser never uses an older build's copy.
 * @param {string} name
 * @param {string} build
 * @param {FileRecord} record
 * @param {OnBytes} onBytes
 * @returns {Promise<ArrayBuffer>}
 */
async function fetchContent(name, build, record, onBytes) {
  const address = `${name}?${build}`;
  const cache = await openCache();
  const attempts = [
    () => cache?.match(address),
    () => fetchFile(name, address),
    () => fetchFile(name, address, { cache: "reload" }), // if the browser's HTTP cache has a damaged copy
  ];
  let error = new Error(`${name} could not be loaded`);
  for (const attempt of attempts) {
    const response = await attempt();
    if (!response) continue;
    try {
      const bytes = await readBytes(name, response, record, onBytes);
      if (attempt !== attempts[0]) await cache?.put(address, new Response(bytes)).catch(() => {}); // no room: the next visit loads it again
      return bytes.buffer;
    } catch (problem) {
      if (problem instanceof RangeError) throw problem;
      error = /** @type {Error} */ (problem);
    }
  }
  throw error;
}

/** @param {string} name @param {Response} response @param {FileRecord} record @param {OnBytes} onBytes */
async function readBytes(name, response, { nbytes, crc32: expected }, onBytes) {
  const bytes = new Uint8Array(nbytes);
  let [length, crc] = [0, 0];
  const reader = response.body?.getReader();
  for (let chunk = await reader?.read(); chunk?.value; chunk = await reader?.read()) {
    if (length + chunk.value.length <= nbytes) bytes.set(chunk.value, length);
    length += chunk.value.length;
    crc = crc32(chunk.value, crc);
    onBytes(chunk.value.length);
  }
  const isWhole = length === nbytes && crc === expected;
  if (!isWhole) onBytes(-length);
  const megabytes = (/** @type {number} */ count) => (count / 1e6).toFixed(1);
  if (length !== nbytes) throw new Error(`${name} is damaged: expected ${megabytes(nbytes)} MB, got ${megabytes(length)} MB. ${AGAIN}`);
  if (crc !== expected) throw new Error(`${name} is damaged: its checksum is wrong. ${AGAIN}`);
  return bytes;
}

/** The browser's cache for this page; null where there is none, as on a page without https. */
function openCache() {
  return globalThis.caches ? caches.open(CACHE).catch(() => null) : Promise.resolve(null);
}

/** Removes the files of other builds from the cache. @param {string} build */
async function removeOldBuilds(build) {
  const cache = await openCache();
  const folder = new URL(".", location.href).href;
  for (const request of (await cache?.keys()) ?? []) {
    if (request.url.startsWith(folder) && !request.url.endsWith(`?${build}`)) await cache?.delete(request);
  }
}

export { crc32, fetchConfig, fetchContent, removeOldBuilds };
