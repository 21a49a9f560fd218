"use strict";
// Draws the slice sheets of a case page on canvases. No request, no WebGL, no library.
(() => {
  const data = JSON.parse(document.getElementById("viewer-data").textContent);
  const box = document.getElementById("viewer");
  const by = (id) => document.getElementById(id);
  const COLUMNS = 8, SQUARES = 8, BAR_MM = 20;
  const COLOURS = { tumour: "#ffb000", bed: "#ffb000", residual: "#ff5d73", lumen: "#58d0e8", normal_wall: "#a58cff", muscle: "#7dd87d" };
  const SHARES = { swipe: "Position", checks: "Squares", blend: "Share" };
  const state = { slice: data.start, outlines: true, mode: "swipe", picture: "", map: "", share: 0.5, opacity: 0.7, hidden: false };
  const panels = [...box.querySelectorAll("canvas[data-view]")].map((canvas) => ({
    canvas, title: canvas.getAttribute("aria-label"), view: data.views.find((v) => v.name === canvas.dataset.view),
  }));
  const base = data.views[0];
  const overlay = by("overlay");
  const images = new Map();

  const load = async (entry) => {
    const image = new Image();
    image.src = entry.sheet;
    await image.decode();
    images.set(entry, image);
  };

  const begin = (canvas) => {
    const edge = Math.max(1, Math.round(canvas.clientWidth * (window.devicePixelRatio || 1)));
    if (canvas.width !== edge) { canvas.width = edge; canvas.height = edge; }
    const pen = canvas.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.filter = "none";
    pen.globalAlpha = 1;
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, edge, edge);
    pen.imageSmoothingQuality = "high";
    return { pen, edge, scale: edge / data.field_mm };
  };

  const paint = (on, entry, place, slice) => {
    const image = images.get(entry);
    if (!image || slice === null) return;
    const [w, h] = entry.tile;
    const half = data.field_mm / 2;
    on.pen.drawImage(
      image, (slice % COLUMNS) * w, Math.floor(slice / COLUMNS) * h, w, h,
      (place[0] + half) * on.scale, (place[1] + half) * on.scale, place[2] * on.scale, place[3] * on.scale,
    );
  };

  const trace = (on, view, outlines, slice, dash) => {
    if (!state.outlines || slice === null) return;
    const { pen, scale } = on;
    const half = data.field_mm / 2;
    const dx = view.place[2] / view.size[0], dy = view.place[3] / view.size[1];
    const x = (i) => (view.place[0] + half + i * dx) * scale;
    const y = (j) => (view.place[1] + half + j * dy) * scale;
    for (const [roi, slices] of Object.entries(outlines)) {
      const runs = slices[slice];
      pen.beginPath();
      for (let n = 0; n < runs.length; n += 4) {
        const [axis, at, from, to] = runs.slice(n, n + 4);
        if (axis === 0) { pen.moveTo(x(from), y(at)); pen.lineTo(x(to), y(at)); }
        else { pen.moveTo(x(at), y(from)); pen.lineTo(x(at), y(to)); }
      }
      pen.strokeStyle = COLOURS[roi] || "#fff";
      const faint = roi !== "tumour" && roi !== "bed" && roi !== "residual";
      pen.globalAlpha = faint ? 0.7 : 1;
      pen.lineWidth = Math.max(1, on.edge / (faint ? 400 : 240));
      pen.setLineDash(dash ? [on.edge / 80, on.edge / 120] : []);
      pen.stroke();
      pen.globalAlpha = 1;
    }
  };

  const letter = (on, text) => {
    const size = Math.max(11, on.edge / 22);
    const { pen, edge, scale } = on;
    pen.lineJoin = "round";
    pen.font = `600 ${size}px system-ui, sans-serif`;
    pen.textBaseline = "middle";
    pen.fillStyle = "#fff";
    pen.strokeStyle = "#000";
    pen.lineWidth = 3;
    for (const [said, place] of [["R", size * 0.4], ["L", edge - size]]) {
      pen.strokeText(said, place, edge / 2);
      pen.fillText(said, place, edge / 2);
    }
    pen.fillRect(edge - (BAR_MM * scale) - size * 0.5, edge - size * 0.6, BAR_MM * scale, Math.max(2, edge / 150));
    tag(on, text, "left", size);
  };

  const tag = ({ pen, edge }, text, side, size = Math.max(11, edge / 22)) => {
    pen.textAlign = side;
    pen.lineWidth = 3;
    const place = side === "left" ? size * 0.4 : edge - size * 0.4;
    pen.strokeText(text, place, size);
    pen.fillText(text, place, size);
    pen.textAlign = "left";
  };

  // "none" where nothing is changed: a filter that does nothing still costs most of the drawing.
  const filter = () => {
    const [light, contrast] = [by("brightness").value, by("contrast").value];
    return light === "100" && contrast === "100" ? "none" : `brightness(${light}%) contrast(${contrast}%)`;
  };

  const drawPanel = ({ canvas, view, title }) => {
    const on = begin(canvas), slice = view.link[state.slice];
    on.pen.filter = filter();
    paint(on, view, view.place, slice);
    on.pen.filter = "none";
    trace(on, view, view.outlines, slice, false);
    letter(on, slice === null ? "outside this image" : "");
    const drawn = slice === null ? [] : Object.entries(view.outlines).filter(([, s]) => s[slice].length).map(([roi]) => roi.replace("_", " "));
    canvas.setAttribute("aria-label", `${title}, slice ${state.slice + 1} of ${data.count}${slice === null ? ", outside this image" : drawn.length ? `, outlined: ${drawn.join(", ")}` : ", nothing outlined"}`);
  };

  const clipTo = {
    swipe: (on) => { on.pen.rect(state.share * on.edge, 0, on.edge, on.edge); },
    checks: (on) => {
      const step = on.edge / SQUARES;
      for (let i = 0; i < SQUARES; i += 1) for (let j = i % 2; j < SQUARES; j += 2) on.pen.rect(i * step, j * step, step, step);
    },
    blend: (on) => { on.pen.rect(0, 0, on.edge, on.edge); },
  };

  const drawOverlay = () => {
    const on = begin(overlay), slice = base.link[state.slice];
    const picture = data.pictures.find((p) => p.name === state.picture);
    const map = data.maps.find((m) => m.name === state.map);
    on.pen.filter = filter();
    paint(on, base, base.place, slice);
    if (picture && !state.hidden) {
      on.pen.save();
      on.pen.beginPath();
      clipTo[state.mode](on);
      on.pen.clip();
      on.pen.globalAlpha = state.mode === "swipe" ? 1 : state.mode === "checks" ? Math.max(state.share, 0.01) : state.share;
      paint(on, picture, base.place, slice);
      on.pen.restore();
    }
    on.pen.filter = "none";
    if (map) {
      on.pen.globalAlpha = state.opacity;
      paint(on, map, base.place, slice);
      on.pen.globalAlpha = 1;
    }
    trace(on, base, base.outlines, slice, false);
    if (picture && picture.name.startsWith("pre.") && !state.hidden) trace(on, base, picture.outlines, slice, true);
    const swiped = picture && !state.hidden && state.mode === "swipe";
    if (swiped) {
      on.pen.fillStyle = "#fff";
      on.pen.fillRect(state.share * on.edge - on.edge / 300, 0, on.edge / 150, on.edge);
    }
    letter(on, !picture || state.hidden || swiped ? base.title : picture.title);
    if (swiped) tag(on, picture.title, "right");
    const how = picture ? `, with ${picture.title} by ${state.mode === "checks" ? "checkerboard" : state.mode}` : "";
    overlay.setAttribute("aria-label", `Overlay on ${base.title}${how}${map ? `, with ${map.title}` : ""}, slice ${state.slice + 1} of ${data.count}`);
  };

  const SVG = "http://www.w3.org/2000/svg";
  const shape = (name, attributes) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };

  const ramp = (signed) => {
    const svg = shape("svg", { class: "ramp", viewBox: "0 0 90 7", preserveAspectRatio: "none", "aria-hidden": "true" });
    const first = signed ? -10 : 0, step = 90 / (11 - first);
    for (let n = first; n <= 10; n += 1) {
      const share = Math.sqrt(Math.abs(n) / 10);
      svg.append(shape("rect", { x: (n - first) * step, y: 0, width: step * 1.02, height: 7, fill: n > 0 ? "#e07a14" : "#4084d6", "fill-opacity": share }));
    }
    return svg;
  };

  const explain = () => {
    const map = data.maps.find((m) => m.name === state.map);
    const legend = by("legend");
    legend.replaceChildren();
    if (map) legend.append(map.signed ? `−${map.most}` : "0", ramp(map.signed), `${map.signed ? "+" : ""}${map.most} ${map.unit}: ${map.about}.`);
    else if (!data.maps.length) legend.append("No map: see “Not shown”.");
  };

  const draw = () => {
    panels.forEach(drawPanel);
    drawOverlay();
    const mm = (state.slice - data.start) * data.slice_mm;
    const said = `${state.slice + 1} of ${data.count}`;
    by("where").textContent = mm ? `${said}, ${Math.abs(mm).toFixed(1)} mm ${mm > 0 ? "above" : "below"} the largest outline` : `${said}, largest outline`;
    by("slice").value = String(state.slice + 1);
    by("slice").setAttribute("aria-valuetext", said);
    box.dataset.slices = panels.map((p) => `${p.view.name}:${p.view.link[state.slice]}`).join(" ");
  };

  const go = (slice) => {
    state.slice = Math.min(Math.max(slice, 0), data.count - 1);
    draw();
  };
  const press = (button, on) => button.setAttribute("aria-pressed", String(on));
  const toggleOutlines = () => {
    state.outlines = !state.outlines;
    press(by("outlines"), state.outlines);
    draw();
  };
  const setMode = (mode) => {
    state.mode = mode;
    state.hidden = false;
    box.querySelectorAll("[data-mode]").forEach((b) => press(b, b.dataset.mode === mode));
    by("share-name").textContent = SHARES[mode];
    drawOverlay();
  };
  const flicker = () => {
    if (!state.picture && data.pictures.length) choose(data.pictures[0].name);
    if (state.mode !== "blend" || state.share < 1) {
      by("share").value = "100";
      state.share = 1;
      setMode("blend");
    } else {
      state.hidden = !state.hidden;
      drawOverlay();
    }
  };
  const choose = (name) => {
    state.picture = name;
    by("picture").value = name;
    state.hidden = false;
    drawOverlay();
  };

  const shortcuts = { m: toggleOutlines, f: flicker, s: () => setMode("swipe"), c: () => setMode("checks"), b: () => setMode("blend") };
  const steps = { ArrowUp: 1, ArrowDown: -1, PageUp: 5, PageDown: -5 };
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const inList = event.target.tagName === "SELECT";
    const inRange = event.target.type === "range" && event.target.id !== "slice";
    if (event.key in steps && !inList && !inRange) {
      event.preventDefault();
      go(state.slice + steps[event.key]);
    } else if (event.key.toLowerCase() in shortcuts && !inList) {
      shortcuts[event.key.toLowerCase()]();
    }
  });
  by("slice").addEventListener("input", (event) => go(Number(event.target.value) - 1));
  by("outlines").addEventListener("click", toggleOutlines);
  by("flicker").addEventListener("click", flicker);
  by("picture").addEventListener("change", (event) => choose(event.target.value));
  by("map").addEventListener("change", (event) => { state.map = event.target.value; explain(); drawOverlay(); });
  by("share").addEventListener("input", (event) => { state.share = event.target.value / 100; state.hidden = false; drawOverlay(); });
  by("opacity").addEventListener("input", (event) => { state.opacity = event.target.value / 100; drawOverlay(); });
  box.querySelectorAll("[data-mode]").forEach((b) => b.addEventListener("click", () => setMode(b.dataset.mode)));
  for (const id of ["brightness", "contrast"]) by(id).addEventListener("input", draw);
  by("reset").addEventListener("click", () => {
    by("brightness").value = by("contrast").value = "100";
    go(data.start);
  });
  const swipe = (event) => {
    const edges = overlay.getBoundingClientRect();
    state.share = Math.min(Math.max((event.clientX - edges.left) / edges.width, 0), 1);
    by("share").value = String(Math.round(state.share * 100));
    drawOverlay();
  };
  overlay.addEventListener("pointerdown", (event) => { overlay.setPointerCapture(event.pointerId); swipe(event); });
  overlay.addEventListener("pointermove", (event) => { if (event.buttons) swipe(event); });
  let turned = 0;
  for (const canvas of [overlay, ...panels.map((p) => p.canvas)]) {
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      turned += event.deltaY;
      if (Math.abs(turned) < 30) return;
      go(state.slice + (turned < 0 ? 1 : -1));
      turned = 0;
    }, { passive: false });
  }
  new ResizeObserver(draw).observe(by("panels"));
  window.addEventListener("beforeprint", draw);

  if (data.pictures.length) choose(data.pictures.some((p) => p.name === "pre.t2") ? "pre.t2" : data.pictures[0].name);
  explain();
  const first = [...data.views, ...data.pictures.filter((p) => p.name === state.picture)];
  const later = [...data.pictures, ...data.maps].filter((entry) => !first.includes(entry));
  Promise.all(first.map(load)).then(() => {
    draw();
    box.dataset.drawnMs = String(Math.round(performance.now()));
    return Promise.all(later.map(load));
  }).then(() => {
    draw();
    box.dataset.ready = "";
  });
})();
