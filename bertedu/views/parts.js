// Parts of a view's data, fetched when they are needed.

/** A cache of the latest parts, which fetches each part once. */
class Parts {
  /** @param {(name: string) => Promise<Uint8Array>} fetchPart */
  constructor(fetchPart, maxBytes = 64e6) {
    this.fetchPart = fetchPart;
    this.maxBytes = maxBytes;
    /** @type {Map<string, Promise<Uint8Array>>} */
    this.cache = new Map();
  }

  /** @param {string} name @param {Uint8Array} bytes */
  put(name, bytes) {
    this.cache.set(name, Promise.resolve(bytes));
  }

  /** @param {string} name @returns {Promise<Uint8Array>} */
  get(name) {
    const cached = this.cache.get(name);
    if (cached) return cached;
    const promise = this.fetchPart(name).then((bytes) => {
      this.evict(Math.max(2, Math.floor(this.maxBytes / Math.max(1, bytes.length))));
      return bytes;
    });
    promise.catch(() => this.cache.delete(name)); // so that the next call fetches it again
    this.cache.set(name, promise);
    return promise;
  }

  /** @param {number} limit */
  evict(limit) {
    for (const name of [...this.cache.keys()].slice(0, Math.max(0, this.cache.size - limit))) this.cache.delete(name);
  }
}

export { Parts };
