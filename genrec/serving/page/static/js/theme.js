// Runs before the first paint, so that a chosen theme never flashes the other one.
"use strict";
(() => {
  const ORDER = ["auto", "light", "dark"];
  const WORDS = { auto: "as the system", light: "light", dark: "dark" };
  const read = () => {
    try {
      return localStorage.getItem("genrec.theme") ?? "auto";
    } catch {
      return "auto"; // storage is refused in some private windows
    }
  };
  const show = (theme) => {
    document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme");
    button?.setAttribute("aria-label", `Colours: ${WORDS[theme]}`);
    button?.setAttribute("title", `Colours: ${WORDS[theme]}`);
  };
  let theme = ORDER.includes(read()) ? read() : "auto";
  show(theme);
  document.addEventListener("DOMContentLoaded", () => {
    show(theme);
    document.getElementById("theme").addEventListener("click", () => {
      theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
      try {
        localStorage.setItem("genrec.theme", theme);
      } catch {
        // the choice then lasts as long as the page
      }
      show(theme);
    });
  });
})();
