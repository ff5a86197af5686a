// Sets the theme before the first paint, so that the page never flashes in the other one. Not a
// module, because modules run later.
(function () {
  const root = document.documentElement;
  const light = window.matchMedia("(prefers-color-scheme: light)");

  function chosen() {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // storage is disabled: follow the system
    }
  }

  function apply() {
    const wanted = chosen();
    root.dataset.theme = wanted || (light.matches ? "light" : "dark");
  }

  apply();
  light.addEventListener("change", apply);

  document.addEventListener("click", function (event) {
    if (!(event.target instanceof Element && event.target.closest("[data-theme-toggle]"))) return;
    const next = root.dataset.theme === "dark" ? "light" : "dark";
    root.dataset.theme = next;
    try {
      localStorage.setItem("theme", next);
    } catch {
      // storage is disabled: the choice lasts until the page is left
    }
    document.dispatchEvent(new CustomEvent("themechange"));
  });
})();
