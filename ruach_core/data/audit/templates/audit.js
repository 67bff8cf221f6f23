
(() => {
  const table = document.getElementById("findings");
  const body = table.tBodies[0];
  const rows = [...body.rows].filter((row) => row.dataset.severity);
  const filters = [...document.querySelectorAll("button[data-severity]")];
  const search = document.getElementById("search");
  const chosen = new Set();

  function filter() {
    const words = search.value.trim().toLowerCase();
    let n = 0;
    for (const row of rows) {
      const fits = !chosen.size || chosen.has(row.dataset.severity);
      row.hidden = !fits || !row.textContent.toLowerCase().includes(words);
      n += !row.hidden;
    }
    document.getElementById("shown").textContent = n + " of " + rows.length + " shown";
  }
  for (const button of filters) {
    button.addEventListener("click", () => {
      const severity = button.dataset.severity;
      if (!chosen.delete(severity)) chosen.add(severity);
      button.setAttribute("aria-pressed", String(chosen.has(severity)));
      filter();
    });
  }
  search.addEventListener("input", filter);

  const heads = [...table.tHead.rows[0].cells];
  function sort(column) {
    const head = heads[column];
    const isNumber = column === 0 || column === 2;
    // The largest number first, but the worst severity, which has the lowest rank.
    const first = column === 2 ? "descending" : "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const order = head.getAttribute("aria-sort") === first ? other : first;
    for (const each of heads) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    rows.sort((a, b) => {
      const [x, y] = [a.cells[column].dataset.key, b.cells[column].dataset.key];
      return sign * (isNumber ? x - y : x.localeCompare(y));
    });
    body.append(...rows);
  }
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(column));
    head.replaceChildren(button);
  });

  page.playOneAtATime();
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#clip"]');
    const audio = link && document.getElementById(link.hash.slice(1));
    if (!audio) return;
    event.preventDefault();
    const details = audio.closest("details");
    if (details) details.open = true;
    const row = audio.closest("tr.finding");
    if (row && row.hidden) {
      chosen.clear();
      search.value = "";
      for (const button of filters) button.setAttribute("aria-pressed", "false");
      filter();
    }
    audio.scrollIntoView({ block: "center" });
    audio.focus();
    audio.play();
  });

  function step(distance) {
    const visible = rows.filter((row) => !row.hidden);
    if (!visible.length) return;
    const now = visible.indexOf(document.activeElement.closest("tr.finding"));
    const next = now < 0 ? (distance > 0 ? 0 : visible.length - 1) : now + distance;
    visible[Math.min(visible.length - 1, Math.max(0, next))].focus();
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input")) {
      if (event.key === "Escape") search.blur();
      return;
    }
    const row = document.activeElement.closest("tr.finding");
    const details = row && row.querySelector("details");
    if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "/") search.focus();
    else if (event.key === "o" && details) details.open = !details.open;
    else if (event.key === "p" && row) {
      // A clip that several findings cite has its player in the first of them.
      const audios = [...row.querySelectorAll('audio, a[href^="#clip"]')].map((found) =>
        found.hash ? document.getElementById(found.hash.slice(1)) : found);
      const playing = audios.find((audio) => !audio.paused);
      if (playing) playing.pause();
      else if (audios.length) {
        if (details) details.open = true;
        audios[0].play();
      } else return;
    } else return;
    event.preventDefault();
  });

  document.getElementById("bar").hidden = false;
  filter();
})();
