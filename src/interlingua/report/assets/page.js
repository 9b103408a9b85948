"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const stored = (id) => JSON.parse(document.getElementById(id)?.textContent || "{}");
  root.classList.add("js");

  // Light and dark: the system's choice until the reader makes one.
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const showTheme = () => { root.dataset.shown = root.dataset.theme || (dark.matches ? "dark" : "light"); };
  try { const kept = localStorage.getItem("interlingua-theme"); if (kept) root.dataset.theme = kept; } catch { /* no storage */ }
  dark.addEventListener("change", showTheme);
  showTheme();
  document.getElementById("theme").addEventListener("click", () => {
    root.dataset.theme = root.dataset.shown === "dark" ? "light" : "dark";
    try { localStorage.setItem("interlingua-theme", root.dataset.theme); } catch { /* no storage */ }
    showTheme();
  });

  // Sounds: one at a time; the waveform fills as it plays.
  const sounds = stored("sounds");
  let player = null, playing = null;
  const stop = () => {
    if (player) player.pause();
    if (playing) { playing.classList.remove("playing"); playing.style.removeProperty("--done"); }
    player = playing = null;
  };
  const play = (button) => {
    const again = playing === button;
    stop();
    if (again || !sounds[button.dataset.sound]) return;
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
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-sound]");
    if (button) play(button);
    const copy = event.target.closest("[data-copies]");
    if (copy) copyText(copy);
  });
  const copyText = (button) => {
    const source = document.getElementById(button.dataset.copies);
    const done = () => { button.textContent = "Copied"; setTimeout(() => { button.textContent = "Copy"; }, 1600); };
    const select = () => { getSelection().selectAllChildren(source); button.textContent = "Press Ctrl+C"; };
    if (navigator.clipboard) navigator.clipboard.writeText(source.textContent).then(done, select); else select();
  };

  // Tabs of the things shown several ways.
  const tabs = all('[role="tab"]');
  const choose = (tab) => tabs.forEach((other) => {
    const on = other === tab;
    other.setAttribute("aria-selected", on);
    other.tabIndex = on ? 0 : -1;
    document.getElementById(other.getAttribute("aria-controls")).hidden = !on;
  });
  tabs.forEach((tab, place) => {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      const move = { ArrowRight: 1, ArrowLeft: -1, Home: -place, End: tabs.length - 1 - place }[event.key];
      if (move === undefined) return;
      event.preventDefault();
      const next = tabs[(place + move + tabs.length) % tabs.length];
      choose(next);
      next.focus();
    });
  });

  // Among the first 1, 5 or 10.
  all('.directions input[name="k"]').forEach((input) => input.addEventListener("change", () => {
    all(".directions .at").forEach((cell) => { cell.hidden = !cell.classList.contains("k" + input.value); });
  }));

  const space = document.querySelector(".space");
  if (space) drawMap(space);

  function drawMap(svg) {
    const data = stored("map-data"), pictures = stored("pictures");
    const frame = svg.parentElement, card = frame.querySelector(".card"), links = svg.querySelector(".links");
    const make = (name, attributes) => {
      const made = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
      return made;
    };
    const html = (name, className, text) => {
      const made = document.createElement(name);
      if (className) made.className = className;
      if (text !== undefined) made.textContent = text;
      return made;
    };
    let layout = "as", asPictures = false, places = data.places.as, current = -1, kept = false;
    const hiddenKinds = new Set();
    const points = all(".point", svg);
    const nodes = points.map((path) => [path]);
    const pictured = data.points.map(([thing, kind]) => kind === "image" && Boolean(pictures[data.things[thing][3]]));
    const number = pictured.filter(Boolean).length || 1;
    const side = Math.min(52, Math.sqrt(.55 * 1000 * 660 / number));
    const group = svg.querySelector(".points");
    const narrow = matchMedia("(max-width: 44rem)");
    const zoom = () => (narrow.matches ? 1.9 : 1);
    data.points.forEach(([thing, kind], i) => {
      const picture = kind === "image" && pictures[data.things[thing][3]];
      if (!picture) return;
      const image = make("image", { href: picture, width: side, height: side, x: -side / 2, y: -side / 2 });
      nodes[i].push(image);
      group.insertBefore(image, group.firstChild);
    });
    // Pictures are pushed apart until they hardly overlap; points stay where they belong.
    const apart = {};
    const pushed = (name) => {
      if (apart[name]) return apart[name];
      const moved = data.places[name].map((place) => [...place]), reach = side * .94;
      const moving = moved.filter((_, i) => pictured[i]);
      for (let round = 0; round < 120; round++) {
        let touched = false;
        for (let a = 0; a < moving.length; a++) for (let b = 0; b < a; b++) {
          let dx = moving[a][0] - moving[b][0], dy = moving[a][1] - moving[b][1];
          const far = Math.hypot(dx, dy);
          if (far >= reach) continue;
          if (far < .01) { dx = Math.cos(a); dy = Math.sin(a); }
          const push = (reach - far) / 2 / Math.max(far, 1) * .7;
          moving[a][0] += dx * push; moving[a][1] += dy * push;
          moving[b][0] -= dx * push; moving[b][1] -= dy * push;
          touched = true;
        }
        moving.forEach((place) => {
          place[0] = Math.max(side / 2, Math.min(1000 - side / 2, place[0]));
          place[1] = Math.max(side / 2, Math.min(660 - side / 2, place[1]));
        });
        if (!touched) break;
      }
      return (apart[name] = moved);
    };
    const put = () => {
      places = asPictures ? pushed(layout) : data.places[layout];
      nodes.forEach((members, i) => {
        const [x, y] = places[i];
        members.forEach((node) => {
          const scale = node.localName === "image" ? 1 : zoom();
          node.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
        });
      });
    };
    put();
    narrow.addEventListener("change", put);

    const visible = (i) => !hiddenKinds.has(data.points[i][1]);
    const show = (i, keep = false) => {
      all(".own", svg).forEach((node) => node.classList.remove("own"));
      links.replaceChildren();
      current = i; kept = keep && i >= 0;
      svg.classList.toggle("chosen", i >= 0);
      card.classList.toggle("open", i >= 0);
      card.classList.toggle("kept", kept);
      if (i < 0) return;
      const thing = data.points[i][0], [x, y] = places[i];
      data.points.forEach(([other], j) => {
        if (other !== thing || !visible(j)) return;
        nodes[j].forEach((node) => node.classList.add("own"));
        if (j !== i) links.append(make("line", { x1: x, y1: y, x2: places[j][0], y2: places[j][1] }));
      });
      links.append(make("circle", { cx: x, cy: y, r: asPictures && pictured[i] ? side * .62 : 11 * zoom() }));
      fill(thing, data.points[i][1]);
      const scale = svg.clientWidth / 1000, right = x > 500;
      card.style.left = right ? "auto" : `${x * scale + 22}px`;
      card.style.right = right ? `${svg.clientWidth - x * scale + 22}px` : "auto";
      const height = card.offsetHeight, top = y * scale - height / 2;
      card.style.top = `${Math.max(8, Math.min(top, svg.clientHeight - height - 8))}px`;
    };
    const fill = (thing, kind) => {
      const [name, kindGroup, heldOut, picture, clips] = data.things[thing];
      card.replaceChildren();
      if (picture) { const image = html("img"); image.src = pictures[picture]; image.alt = ""; card.append(image); }
      const title = html("b"); title.append(html("bdi", "", name)); card.append(title);
      const names = { image: "its picture", text: "its words", sound: "its sound", speech: "its spoken name" };
      card.append(html("span", "group", [names[kind] || kind, kindGroup].filter(Boolean).join(", ")));
      const row = html("div", "row");
      row.append(html("span", heldOut ? "badge held" : "badge seen", heldOut ? "held out" : "seen in training"));
      card.append(row);
      if (!kept) { if (clips.length) card.append(html("div", "hint", "Click to keep the card and listen.")); return; }
      clips.forEach(([view, label, sound]) => {
        const button = html("button", `v-${view}`);
        button.type = "button"; button.dataset.sound = sound;
        const sign = document.querySelector(".sign");
        if (sign) button.append(sign.cloneNode(true));
        button.append(html("span", "", label));
        card.append(button);
      });
    };
    const nearest = (x, y, reach, accept = () => true) => {
      let best = -1, least = reach;
      places.forEach(([px, py], i) => {
        const far = Math.hypot(px - x, py - y);
        if (far < least && visible(i) && accept(px - x, py - y, i)) { best = i; least = far; }
      });
      return best;
    };
    const at = (event) => {
      const box = svg.getBoundingClientRect(), scale = 1000 / box.width;
      return nearest((event.clientX - box.left) * scale, (event.clientY - box.top) * scale, 26 * Math.max(1, scale * .8));
    };
    svg.addEventListener("pointermove", (event) => { if (!kept && event.pointerType === "mouse") { const i = at(event); if (i !== current) show(i); } });
    svg.addEventListener("pointerleave", () => { if (!kept) show(-1); });
    svg.addEventListener("click", (event) => { const i = at(event); show(i, i >= 0); });
    svg.addEventListener("keydown", (event) => {
      const ways = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
      if (event.key === "Escape") { show(-1); return; }
      if (event.key === "Enter" && current >= 0) { show(current, true); event.preventDefault(); return; }
      const way = ways[event.key];
      if (!way) return;
      event.preventDefault();
      const [x, y] = current < 0 ? [500, 330] : places[current];
      // The next point lies within a cone around the arrow's direction.
      const next = current < 0 ? nearest(x, y, 1e9)
        : nearest(x, y, 1e9, (dx, dy, i) => i !== current && dx * way[0] + dy * way[1] > .6 * Math.hypot(dx, dy));
      if (next >= 0) show(next);
    });
    document.addEventListener("keydown", (event) => { if (event.key === "Escape" && kept) { show(-1); svg.focus(); } });

    const on = (name, change) => all(`input[name="${name}"]`).forEach((input) => {
      input.addEventListener("change", () => change(input.value));
      if (input.checked) change(input.value); // browsers keep choices over a reload
    });
    on("dots", (value) => {
      asPictures = value === "pictures";
      svg.classList.toggle("pictures", asPictures);
      show(-1);
      put();
    });
    on("colour", (value) => {
      svg.classList.toggle("by-group", value === "group");
      document.querySelector(".key.groups").hidden = value !== "group";
    });
    on("places", (value) => {
      if (layout === value) return;
      show(-1);
      svg.classList.add("moving");
      layout = value;
      put();
      setTimeout(() => svg.classList.remove("moving"), 900);
    });
    all("input.kind").forEach((input) => input.addEventListener("change", () => {
      if (input.checked) hiddenKinds.delete(input.value); else hiddenKinds.add(input.value);
      nodes.forEach((members, i) => members.forEach((node) => node.classList.toggle("off", !visible(i))));
      show(-1);
    }));
    const find = document.getElementById("find");
    find.addEventListener("input", () => {
      const wanted = find.value.trim().toLowerCase();
      const matches = (test) => data.points.findIndex(([thing], i) => visible(i) && test(data.things[thing][0].toLowerCase()));
      let i = wanted ? matches((name) => name === wanted) : -1;
      if (i < 0 && wanted.length > 1) i = matches((name) => name.startsWith(wanted));
      show(i, i >= 0);
    });
    find.form.addEventListener("submit", (event) => event.preventDefault());
  }
})();
