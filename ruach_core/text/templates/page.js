"use strict";
// What Ruach's pages have in common.
const page = {
  /** What this browser keeps under a key; an empty object where it keeps nothing. */
  load(key) {
    try { return JSON.parse(localStorage.getItem(key)) || {}; } catch { return {}; }
  },
  /** Keep a value; false where the browser doesn't, as in a private window. */
  keep(key, value) {
    try { localStorage.setItem(key, JSON.stringify(value)); return true; } catch { return false; }
  },
  /** Rows of cells as a CSV file that the browser downloads. */
  download(name, rows) {
    const quote = (value) => {
      // A spreadsheet would run a cell that begins like a formula.
      const text = /^'*[=+\-@\t\r]/.test(value) ? "'" + value : value;
      return '"' + text.replaceAll('"', '""') + '"';
    };
    const csv = "\ufeff" + rows.map((row) => row.map(quote).join(",")).join("\r\n") + "\r\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([csv], { type: "text/csv" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  },
  /** Stop every other player when one starts. */
  playOneAtATime() {
    document.addEventListener("play", (event) => {
      for (const audio of document.querySelectorAll("audio")) {
        if (audio !== event.target) audio.pause();
      }
    }, true);
  },
};
