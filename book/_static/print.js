// Printing: paper is light, and shows pictures that the reader has not scrolled to.

(() => {
  "use strict";

  const root = document.documentElement;
  let theme;

  addEventListener("beforeprint", () => {
    for (const image of document.querySelectorAll("img[loading=lazy]")) image.loading = "eager";
    theme = root.dataset.theme;
    root.dataset.theme = "light";
  });

  addEventListener("afterprint", () => {
    root.dataset.theme = theme;
  });
})();
