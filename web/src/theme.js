// Sets the theme before the first paint, so that the page never flashes in the other one. A classic script on purpose: a
// module would run too late.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("ashatai.theme");
  } catch {
    // Storage can be forbidden; the system's theme is right then.
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
