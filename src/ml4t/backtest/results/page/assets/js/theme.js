// Light, dark or what the system says; remembered where the browser lets a file remember.
"use strict";
page.theme = (() => {
  const CHOICES = ["system", "light", "dark"];
  const KEY = "ml4t-backtest-theme";
  const listeners = [];
  let choice = "system";

  function remembered() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  }

  function apply() {
    if (choice === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choice;
    document.getElementById("theme").textContent = `Theme: ${choice}`;
    for (const one of listeners) one();
  }

  function start() {
    const before = remembered();
    if (CHOICES.includes(before)) choice = before;
    apply();
    document.getElementById("theme").addEventListener("click", () => {
      choice = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length];
      try {
        localStorage.setItem(KEY, choice);
      } catch {
        // A browser that forbids it forgets the choice with the page.
      }
      apply();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  }

  function color(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  }

  return { start, color, onChange: (listener) => listeners.push(listener) };
})();
