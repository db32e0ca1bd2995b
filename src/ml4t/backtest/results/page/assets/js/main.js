// Opens the data and draws figure by figure, the first ones first; the page can be read meanwhile.
"use strict";
(async () => {
  page.theme.start();
  try {
    const head = await page.data.open();
    for (const figure of head.figures) {
      const element = document.querySelector(`[data-figure="${figure.name}"]`);
      page.figures.wire(figure, element);
      page.figures.draw(figure, element);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    document.documentElement.dataset.ready = "";
  } catch (error) {
    const said = document.createElement("p");
    said.className = "alarm";
    said.setAttribute("role", "alert");
    said.textContent =
      `The charts cannot be drawn (${error.message}); this page needs a browser of 2023 or later.`;
    document.querySelector("main").prepend(said);
    throw error;
  }
})();
