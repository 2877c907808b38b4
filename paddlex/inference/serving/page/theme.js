// Light or dark, before the first paint: the user's choice, else what the system prefers.
// A classic script and not a module, because a module would run after the page has been drawn once.
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // storage is switched off: the choice then lasts as long as the page
    }
  };
  let choice = stored();

  const apply = () => {
    document.documentElement.dataset.theme = choice ?? (system.matches ? "dark" : "light");
  };

  globalThis.toggleTheme = () => {
    const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    choice = next === (system.matches ? "dark" : "light") ? null : next; // back to the system's: follow it again
    try {
      if (choice) localStorage.setItem("theme", choice);
      else localStorage.removeItem("theme");
    } catch {
      // see above
    }
    apply();
  };

  system.addEventListener("change", apply);
  apply();
})();
