// Predictions: the option that a reader opens first is kept, in this browser and nowhere else, and
// the page's end says how many of them were right. The questions themselves need no script.

(() => {
  "use strict";

  const asked = [...document.querySelectorAll(".g3-predict")];
  const kept = storage();
  const key = (question) => `g3-predict ${question.dataset.id}`;

  const score = document.createElement("div");
  score.className = "g3-score";
  const words = document.createElement("p");
  words.setAttribute("role", "status");
  const again = document.createElement("button");
  again.textContent = "Forget my answers";
  score.append(words, again);
  document.querySelector("article").append(score);

  function count() {
    const first = asked.map((question) => kept[key(question)]).filter(Boolean);
    const right = first.filter((choice) => choice === "right").length;
    score.hidden = !first.length;
    words.textContent = `${first.length} of the ${asked.length} predictions of this page made, ${right} right at first sight.`;
  }

  for (const question of asked) {
    for (const option of question.querySelectorAll("details")) {
      option.addEventListener("toggle", () => {
        if (!option.open) return;
        kept[key(question)] ??= "right" in option.dataset ? "right" : "wrong";
        count();
      });
    }
  }

  again.addEventListener("click", () => {
    for (const question of asked) {
      delete kept[key(question)];
      for (const option of question.querySelectorAll("details")) option.open = false;
    }
    asked[0].querySelector("summary").focus();
    count();
  });

  count();

  // The browser's storage, or one that lasts for this visit where the reader allows none.
  function storage() {
    try {
      return localStorage;
    } catch {
      return {};
    }
  }
})();
