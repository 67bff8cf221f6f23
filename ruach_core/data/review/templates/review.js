(() => {
  const bar = document.getElementById("bar");
  const clips = [...document.querySelectorAll(".clip")];
  const key = "ruach-clips-" + bar.dataset.key;
  const VERDICTS = { accept: "Accept", drop: "Drop", fix: "Fix" };
  // By the clip's number: verdict, text (a fix), draft (a fix under way), note.
  const loaded = page.load(key);
  const state = {
    decisions: loaded.decisions || clips.map(({ dataset: d }) =>
      ({ verdict: d.verdict, text: d.fixed, note: d.note })),
    past: loaded.past || [],
    isSaved: loaded.isSaved ?? true,
  };
  let current = 0;
  let isKept = true;
  const parts = clips.map(build);

  function keep() { isKept = page.keep(key, state); }
  function element(name, properties) { return Object.assign(document.createElement(name), properties); }

  function build(clip, index) {
    const box = clip.querySelector(".choice");
    const buttons = {};
    for (const [verdict, label] of Object.entries(VERDICTS)) {
      const button = element("button", { type: "button", textContent: label });
      button.addEventListener("click", () => {
        current = index;
        if (verdict === "fix") startFix(); else decide(verdict);
      });
      box.append(buttons[verdict] = button);
    }
    const note = element("input", { type: "text", placeholder: "note", autocomplete: "off" });
    note.setAttribute("aria-label", "note on " + clip.getAttribute("aria-label"));
    note.addEventListener("input", () => {
      state.decisions[index].note = note.value;
      state.isSaved = false;
      keep();
      count();
    });
    const fixed = element("div", { className: "fixed text", dir: "auto", lang: bar.dataset.lang, hidden: true });
    const editor = element("textarea", { className: "text", dir: "auto", lang: bar.dataset.lang, hidden: true, spellcheck: false });
    editor.setAttribute("aria-label", "right text of " + clip.getAttribute("aria-label"));
    editor.addEventListener("input", () => {
      state.decisions[index].draft = editor.value;
      keep();
    });
    box.append(note, fixed, editor);
    clip.addEventListener("focusin", () => mark(index));
    clip.addEventListener("pointerdown", () => mark(index));
    return { buttons, note, fixed, editor, audio: clip.querySelector("audio") };
  }

  function show(index) {
    const { verdict, text, draft, note } = state.decisions[index];
    const part = parts[index];
    clips[index].dataset.now = verdict || "";
    for (const [name, button] of Object.entries(part.buttons)) {
      button.setAttribute("aria-pressed", String(name === verdict));
    }
    const isEditing = draft !== undefined;
    part.editor.hidden = !isEditing;
    if (isEditing && part.editor.value !== draft) part.editor.value = draft;
    part.fixed.hidden = isEditing || verdict !== "fix";
    part.fixed.textContent = "→ " + (text || "");
    if (part.note.value !== (note || "")) part.note.value = note || "";
  }

  function count() {
    const numbers = { accept: 0, drop: 0, fix: 0 };
    for (const { verdict } of state.decisions) if (verdict) numbers[verdict] += 1;
    const n = numbers.accept + numbers.drop + numbers.fix;
    document.getElementById("count").textContent = n + " of " + clips.length + " decided: " +
      numbers.accept + " accepted, " + numbers.drop + " dropped, " + numbers.fix + " fixed";
    document.getElementById("progress").value = clips.length ? n / clips.length : 1;
    document.getElementById("undo").disabled = !state.past.length;
    document.getElementById("saved").textContent = state.isSaved ? "" : isKept
      ? "not saved yet; this browser keeps it meanwhile"
      : "not saved yet, and this browser won't keep it: save before you leave";
  }

  function mark(index) {
    current = index;
    clips.forEach((clip, i) => clip.classList.toggle("current", i === index));
  }
  function go(index) {
    const clip = clips[index];
    if (!clip) return;
    mark(index);
    clip.focus({ preventScroll: true });
    clip.scrollIntoView({ block: "nearest" });
  }
  function isShown(index) { return !clips[index].hidden; }
  function step(distance) {
    for (let i = current + distance; i >= 0 && i < clips.length; i += distance) {
      if (isShown(i)) return go(i);
    }
    return go(current);
  }
  function filter() {
    const only = document.getElementById("undecided").getAttribute("aria-pressed") === "true";
    clips.forEach((clip, i) => { clip.hidden = only && Boolean(state.decisions[i].verdict); });
  }

  function change(index, decision) {
    state.past.push([index, { ...state.decisions[index], draft: undefined }]);
    state.decisions[index] = decision;
    state.isSaved = false;
    keep();
    show(index);
    count();
  }
  function decide(verdict, text) {
    const index = current;
    change(index, { verdict, text: text || "", note: state.decisions[index].note });
    parts[index].audio?.pause();
    step(1);
    if (current === index) go(index);
    filter();
  }
  function undo() {
    const last = state.past.pop();
    if (!last) return;
    const [index, decision] = last;
    state.decisions[index] = decision;
    state.isSaved = false;
    keep();
    clips[index].hidden = false;
    show(index);
    count();
    go(index);
  }

  function startFix() {
    const known = state.decisions[current];
    if (known.draft === undefined) known.draft = known.text || clips[current].dataset.transcript;
    keep();
    show(current);
    const { editor } = parts[current];
    editor.focus();
    editor.setSelectionRange(editor.value.length, editor.value.length);
    editor.scrollIntoView({ block: "nearest" });
  }
  function endFix() {
    const text = parts[current].editor.value.replace(/\s+/g, " ").trim();
    if (!text) return; // a clip without a text is one to drop
    if (text === clips[current].dataset.transcript.trim()) decide("accept"); else decide("fix", text);
  }
  function giveUpFix() {
    delete state.decisions[current].draft;
    keep();
    show(current);
    go(current);
  }

  function play() {
    const { audio } = parts[current];
    if (!audio) return;
    if (audio.paused) audio.play(); else audio.pause();
  }

  function save() {
    const columns = JSON.parse(bar.dataset.columns);
    const rows = clips.flatMap((clip, index) => {
      const { verdict, text, note } = state.decisions[index];
      const { source, id, digest, transcript } = clip.dataset;
      return verdict ? [[source, id, verdict, verdict === "fix" ? text : transcript, digest, note || ""]] : [];
    });
    page.download("review.csv", [columns, ...rows, ...JSON.parse(bar.dataset.kept)]);
    state.isSaved = true;
    keep();
    count();
    document.getElementById("saved").textContent = "saved " + rows.length + " decisions";
  }

  document.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const field = event.target.closest("textarea, input");
    if (field) {
      const isFix = field.tagName === "TEXTAREA";
      if (event.key === "Escape" && isFix) giveUpFix();
      else if (event.key === "Enter" && isFix && (event.ctrlKey || event.metaKey)) endFix();
      else if (!isFix && (event.key === "Escape" || event.key === "Enter")) go(current);
      else return;
      event.preventDefault();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    // A button or a player that has the focus knows space and arrows by itself.
    if (/^( |Arrow.*)$/.test(event.key) && event.target.closest("button, audio")) return;
    const keys = {
      j: () => step(1), ArrowDown: () => step(1), k: () => step(-1), ArrowUp: () => step(-1),
      " ": play, a: () => decide("accept"), d: () => decide("drop"), f: startFix,
      n: () => parts[current].note.focus(), u: undo, s: save,
    };
    const act = clips.length && keys[event.key];
    if (!act) return;
    event.preventDefault();
    // A key that is held down moves on, but decides once.
    if (!event.repeat || ["j", "k", "ArrowDown", "ArrowUp"].includes(event.key)) act();
  });
  document.getElementById("undo").addEventListener("click", undo);
  document.getElementById("save").addEventListener("click", save);
  document.getElementById("undecided").addEventListener("click", ({ target }) => {
    target.setAttribute("aria-pressed", String(target.getAttribute("aria-pressed") !== "true"));
    filter();
  });

  page.playOneAtATime();
  clips.forEach((_, index) => show(index));
  bar.hidden = false;
  keep();
  count();
  const first = state.decisions.findIndex(({ verdict }) => !verdict);
  if (clips.length) go(Math.max(0, first));
})();
