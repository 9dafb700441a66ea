// Paper is light. (Pictures that the reader has not scrolled to are the browser's to load: it waits
// for those that it loads itself, and not for those that a script asks for when printing begins.)

(() => {
  "use strict";

  const root = document.documentElement;
  let theme;

  addEventListener("beforeprint", () => {
    theme = root.dataset.theme;
    root.dataset.theme = "light";
  });

  addEventListener("afterprint", () => {
    root.dataset.theme = theme;
  });
})();
