// What the theme leaves to do for a reader at the keyboard, on a phone, or with the book on a disk.

(() => {
  "use strict";

  // A box that scrolls can be reached and scrolled by keyboard; one that does not is no stop. (A
  // formula may be some pixels higher than its box.)
  // (The theme does so for tables, and for code that is not folded when the page is loaded.)
  const observer = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const tall = target.scrollHeight > target.clientHeight + 20;
      if (tall || target.scrollWidth > target.clientWidth) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  const boxes = document.querySelectorAll(".g3-math, .g3-scroll, details pre");
  for (const box of boxes) observer.observe(box);

  // On a narrow window the contents open over the page. A link to a place on this page closes them,
  // and the focus goes back to the button that opened them.
  for (const side of ["primary", "secondary"]) {
    const dialog = document.getElementById(`pst-${side}-sidebar-modal`);
    const button = document.querySelector(`.${side}-toggle`);
    dialog?.addEventListener("click", ({ target }) => {
      if (target.closest("a")?.hash) dialog.close();
    });
    dialog?.addEventListener("close", () => button?.focus());
  }

  // Copying moves the focus to a text that is copied and removed: it comes back to the button.
  document.addEventListener("click", ({ target }) => target.closest(".copybtn")?.focus());

  // A page on a disk cannot read the others: there the search lists pages without an excerpt.
  if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
})();
