// A view says how tall it is (see `FRAMED` in tools/build_book.py); its frame follows.
window.addEventListener("message", (event) => {
  const height = event.data && event.data.bertedu_height;
  if (!Number.isFinite(height)) return;
  for (const frame of document.querySelectorAll("iframe.bertedu-view")) {
    if (frame.contentWindow === event.source) frame.style.height = `${Math.min(Math.max(height, 120), 2400)}px`;
  }
});
