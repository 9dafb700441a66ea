// Cards: what a term means and which work is cited, beside the link, on hover and on keyboard focus.
// A card stays while the pointer is on the link or on the card, and Escape closes it. A tap follows
// the link, as it does without this script. The texts are written by book/_ext/gather3d_book/cards.py.

(() => {
  "use strict";
  if (!HTMLElement.prototype.showPopover) return; // an older browser: the links work as links

  const SHOW_AFTER = 150; // milliseconds of rest on a link
  const HIDE_AFTER = 250; // milliseconds to get from the link to its card
  const GAP = 6; // pixels between the link and the card
  const EDGE = 8; // pixels between the card and the edge of the window

  const root = new URL(document.documentElement.dataset.content_root, document.baseURI).href;
  const card = document.createElement("div");
  Object.assign(card, { id: "g3-card", className: "g3-card", popover: "manual", role: "tooltip" });
  document.body.append(card);

  let shown = null; // the link whose card is open
  let point = null; // where the pointer came to it
  let opening, closing; // timers
  let texts; // promise of the cards' texts by address

  function load() {
    return texts ??= new Promise((resolve) => {
      const tag = document.createElement("script");
      tag.src = `${root}_static/definitions.js`;
      tag.onload = () => resolve(window.g3Cards);
      tag.onerror = () => resolve({}); // the links work as links
      document.head.append(tag);
    });
  }

  function link_of(target) {
    const link = target.closest?.("a[href]");
    return link && (link.closest(".bibtex-citation") || link.querySelector(".std-term")) ? link : null;
  }

  function address(link) {
    const url = new URL(link.href);
    url.search = "";
    return url.href.slice(root.length);
  }

  async function open(link) {
    const text = (await load())[address(link)];
    if (!text || !(link.matches(":hover") || link.matches(":focus-visible"))) return;
    if (shown) close();
    card.innerHTML = text;
    card.showPopover();
    place(link);
    link.setAttribute("aria-describedby", card.id);
    shown = link;
  }

  function close() {
    clearTimeout(opening);
    clearTimeout(closing);
    closing = undefined;
    if (!shown) return;
    shown.removeAttribute("aria-describedby");
    shown = null;
    card.hidePopover();
  }

  // Below the line of the link that the pointer is on, or above it where there is no room below.
  function place(link) {
    const lines = [...link.getClientRects()];
    const line = lines.find(({ top, bottom }) => point && top <= point.y && point.y <= bottom) ?? lines[0];
    const { clientWidth, clientHeight } = document.documentElement;
    const left = Math.max(EDGE, Math.min(line.left, clientWidth - card.offsetWidth - EDGE));
    const above = line.top - GAP - card.offsetHeight;
    const below = line.bottom + GAP;
    const top = below + card.offsetHeight > clientHeight && above > 0 ? above : below;
    card.style.left = `${left + scrollX}px`;
    card.style.top = `${top + scrollY}px`;
  }

  document.addEventListener("pointerover", ({ target, pointerType, clientX, clientY }) => {
    if (pointerType === "touch") return;
    const link = link_of(target);
    clearTimeout(opening);
    if (link && link !== shown) {
      point = { x: clientX, y: clientY };
      opening = setTimeout(open, SHOW_AFTER, link);
    } else if (link || card.contains(target)) {
      clearTimeout(closing);
      closing = undefined;
    }
    if (shown && link !== shown && !card.contains(target) && !shown.matches(":focus-visible")) {
      closing ??= setTimeout(close, HIDE_AFTER);
    }
  });

  document.addEventListener("focusin", ({ target }) => {
    const link = link_of(target);
    point = null;
    if (link?.matches(":focus-visible")) open(link);
  });

  document.addEventListener("focusout", ({ target }) => {
    if (target === shown && !card.matches(":hover")) close();
  });

  document.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") close();
  });

  document.addEventListener("click", ({ target }) => {
    if (link_of(target)) close();
  });
})();
