
(() => {
  const table = document.getElementById("lines");
  const rows = [...table.tBodies[0].rows];
  const buttons = [...document.querySelectorAll("button[data-rule]")];
  const key = "ruach-review-" + table.dataset.key;
  let chosen = null;

  const review = page.load(key);
  const store = () => page.keep(key, review);

  function filter(rule) {
    chosen = rule;
    let n = 0;
    for (const row of rows) {
      row.hidden = rule !== null && !row.dataset.rules.split(" ").includes(rule);
      n += !row.hidden;
    }
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(button.dataset.rule === rule));
    }
    document.getElementById("all").setAttribute("aria-pressed", String(rule === null));
    document.getElementById("shown").textContent = n + " of " + rows.length + " shown";
  }
  for (const button of buttons) {
    button.addEventListener("click", () =>
      filter(button.dataset.rule === chosen ? null : button.dataset.rule));
  }
  document.getElementById("all").addEventListener("click", () => filter(null));

  rows.forEach((row, index) => {
    const cell = row.querySelector(".review");
    const name = "verdict" + index;
    const known = review[index] || {};
    for (const verdict of ["ok", "wrong"]) {
      const label = document.createElement("label");
      const radio = document.createElement("input");
      radio.type = "radio";
      radio.name = name;
      radio.value = verdict;
      radio.checked = known.verdict === verdict;
      radio.addEventListener("change", () => {
        review[index] = { ...review[index], verdict };
        store();
      });
      label.append(radio, " " + verdict + " ");
      cell.append(label);
    }
    const comment = document.createElement("input");
    comment.type = "text";
    comment.placeholder = "comment";
    comment.setAttribute("aria-label", "Comment on line " + row.cells[0].textContent);
    comment.value = known.comment || "";
    comment.addEventListener("input", () => {
      review[index] = { ...review[index], comment: comment.value };
      store();
    });
    cell.append(comment);
  });

  function textOf(cell) {
    const copy = cell.cloneNode(true);
    for (const code of copy.querySelectorAll(".code")) code.textContent = "<" + code.title + ">";
    return copy.textContent;
  }
  document.getElementById("save").addEventListener("click", () => {
    const lines = [["line", "purpose", "before", "after", "rules", "verdict", "comment"]];
    rows.forEach((row, index) => {
      const known = review[index] || {};
      const [before, after] = row.querySelectorAll("td.text");
      lines.push([
        row.cells[0].textContent, row.cells[1].textContent, textOf(before), textOf(after),
        [...row.querySelectorAll("button[data-rule]")].map((b) => b.textContent).join("; "),
        known.verdict || "", known.comment || "",
      ]);
    });
    page.download("review.csv", lines);
  });

  document.getElementById("bar").hidden = false;
  filter(null);
})();
