// Runs before the page is drawn, so that it never flashes in the other theme. Not a module: modules
// run after the page is there.
(function () {
  const root = document.documentElement;
  const light = window.matchMedia("(prefers-color-scheme: light)");

  function chosen() {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // storage is switched off: the system's choice holds
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
      // it holds for this page only
    }
    document.dispatchEvent(new CustomEvent("themechange"));
  });
})();
