// Tables of edge cases: a reader chooses a function, a case, a word, or the silent errors only, and
// hears how many rows are left. Without a script all rows show.

(() => {
  "use strict";

  const text = (cell) => cell.textContent.trim();

  for (const [number, figure] of document.querySelectorAll("figure.g3-edges").entries()) {
    const rows = [...figure.querySelectorAll("tbody tr")];
    const controls = document.createElement("div");
    controls.className = "g3-filter";
    controls.setAttribute("role", "group");
    controls.setAttribute("aria-label", "Filter the table");

    // A control under its label; `name` is what they share.
    function add(label, name, control) {
      const box = document.createElement("label");
      control.id = `g3-filter-${number}-${name}`;
      box.htmlFor = control.id;
      box.append(label, control);
      controls.append(box);
      return control;
    }

    function choice(label, name, column) {
      const select = document.createElement("select");
      select.append(new Option("all", ""));
      for (const word of new Set(rows.map((row) => text(row.cells[column])))) {
        select.append(new Option(word, word));
      }
      return add(label, name, select);
    }

    function input(label, name, type) {
      const control = document.createElement("input");
      control.type = type;
      return add(label, name, control);
    }

    const named = [choice("Function", "function", 0), choice("Case", "case", 1)];
    const words = input("Words", "words", "search");
    const silent = input("Only silent errors", "silent", "checkbox");
    const status = document.createElement("p");
    status.setAttribute("role", "status");
    controls.append(status);

    function filter() {
      const wanted = words.value.trim().toLowerCase();
      let shown = 0;
      for (const row of rows) {
        row.hidden =
          named.some((select, column) => select.value && select.value !== text(row.cells[column])) ||
          (silent.checked && row.dataset.kind !== "silent") ||
          !row.textContent.toLowerCase().includes(wanted);
        shown += !row.hidden;
      }
      status.textContent = `${shown} of ${rows.length} rows`;
    }

    controls.addEventListener("input", filter);
    figure.prepend(controls);
    filter();
  }
})();
