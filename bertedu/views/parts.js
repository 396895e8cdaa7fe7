// Parts of a view's numbers, fetched when they are needed.

/** Keeps the latest few parts, and asks for none twice. */
class Parts {
  /** @param {(name: string) => Promise<Uint8Array>} fetchPart */
  constructor(fetchPart, most = 64e6) {
    this.fetchPart = fetchPart;
    this.most = most;
    /** @type {Map<string, Promise<Uint8Array>>} */
    this.kept = new Map();
  }

  /** @param {string} name @param {Uint8Array} bytes */
  put(name, bytes) {
    this.kept.set(name, Promise.resolve(bytes));
  }

  /** @param {string} name @returns {Promise<Uint8Array>} */
  get(name) {
    const known = this.kept.get(name);
    if (known) return known;
    const coming = this.fetchPart(name).then((bytes) => {
      this.forget(Math.max(2, Math.floor(this.most / Math.max(1, bytes.length))));
      return bytes;
    });
    coming.catch(() => this.kept.delete(name)); // the next try asks again
    this.kept.set(name, coming);
    return coming;
  }

  /** @param {number} most */
  forget(most) {
    for (const name of [...this.kept.keys()].slice(0, Math.max(0, this.kept.size - most))) this.kept.delete(name);
  }
}

export { Parts };
