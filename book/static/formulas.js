// KaTeX over what Sphinx left as \(...\) and \[...\].
document.querySelectorAll(".math").forEach((element) => {
  const match = element.textContent.trim().match(/^\\([([])([\s\S]*)\\[)\]]$/);
  if (!match) return;
  katex.render(match[2].trim(), element, { displayMode: match[1] === "[", throwOnError: false });
});
