"use strict";
(() => {
  const root = document.documentElement;
  const find = (id) => document.getElementById(id);
  root.classList.add("js");

  // Light and dark: the system's choice until the reader makes one.
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const showTheme = () => { root.dataset.shown = root.dataset.theme || (dark.matches ? "dark" : "light"); };
  dark.addEventListener("change", showTheme);
  showTheme();
  find("theme")?.addEventListener("click", () => {
    root.dataset.theme = root.dataset.shown === "dark" ? "light" : "dark";
    showTheme();
  });

  // Sounds: one at a time; the waveform fills as it plays.
  const sounds = JSON.parse(find("sounds").textContent);
  let player = null, playing = null;
  const stop = () => {
    if (player) player.pause();
    if (playing) { playing.classList.remove("playing"); playing.style.removeProperty("--done"); }
    player = playing = null;
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-sound]");
    if (!button) return;
    const again = playing === button;
    stop();
    if (again) return;
    const audio = new Audio(sounds[button.dataset.sound]);
    player = audio; playing = button;
    button.classList.add("playing");
    audio.addEventListener("ended", () => { if (player === audio) stop(); });
    const tick = () => {
      if (player !== audio) return;
      button.style.setProperty("--done", audio.duration ? audio.currentTime / audio.duration : 0);
      requestAnimationFrame(tick);
    };
    audio.play().then(tick, () => { if (player === audio) stop(); });
  });

  // Filters: words, group and view, all at once.
  const cards = [...document.querySelectorAll(".card")];
  const filter = () => {
    const wanted = (find("words")?.value || "").toLowerCase().split(/\s+/).filter(Boolean);
    const group = find("group")?.value || "", view = find("view")?.value || "";
    let shown = 0;
    for (const card of cards) {
      const fits = wanted.every((word) => card.dataset.words.includes(word))
        && (!group || card.dataset.group === group)
        && (!view || card.dataset.views.split(" ").includes(view));
      card.hidden = !fits;
      shown += fits;
    }
    if (find("shown")) find("shown").textContent = shown === cards.length ? "" : `${shown} of ${cards.length}`;
    find("none").hidden = shown > 0 || !cards.length;
  };
  for (const id of ["words", "group", "view"]) find(id)?.addEventListener("input", filter);
  document.querySelector("form")?.addEventListener("submit", (event) => event.preventDefault());
})();
