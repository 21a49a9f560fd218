"use strict";
(() => {
  const all = [...document.querySelectorAll(".case")];
  const at = (id) => document.getElementById(id);
  let shown = all, place = 0, verdict = "", asList = false;

  const draw = (say) => {
    const now = new Set(asList ? shown : shown.slice(place, place + 1));
    for (const one of all) one.hidden = !now.has(one);
    const here = shown[place];
    at("place").textContent = here ? `${place + 1} of ${shown.length}` : "no case fits";
    at("previous").disabled = place === 0;
    at("next").disabled = place >= shown.length - 1;
    at("said").textContent = here ? "" : "no case fits";
    if (!here) return;
    if (say) {
      at("said").textContent = `${here.dataset.case}, ${here.dataset.verdict}, ${place + 1} of ${shown.length}`;
      if (asList) here.scrollIntoView({ block: "start" });
    }
    history.replaceState(null, "", `#${here.id}`);
    const after = shown[place + 1] && shown[place + 1].querySelector("img");
    if (after) new Image().src = after.src;
  };

  const go = (to) => {
    if (!shown.length) return;
    place = Math.min(Math.max(to, 0), shown.length - 1);
    draw(true);
  };

  const choose = () => {
    const here = shown[place], wanted = at("find").value.trim().toLowerCase();
    shown = all.filter((one) => (!verdict || one.dataset.verdict === verdict)
      && one.dataset.case.toLowerCase().includes(wanted));
    place = Math.max(shown.indexOf(here), 0);
    draw(true);
  };

  at("previous").addEventListener("click", () => go(place - 1));
  at("next").addEventListener("click", () => go(place + 1));
  at("find").addEventListener("input", choose);
  at("list").addEventListener("click", (event) => {
    asList = !asList;
    event.target.setAttribute("aria-pressed", asList);
    draw(true);
  });
  for (const button of at("filters").querySelectorAll("button")) {
    button.addEventListener("click", () => {
      verdict = button.dataset.verdict;
      for (const other of at("filters").querySelectorAll("button")) {
        other.setAttribute("aria-pressed", other === button);
      }
      choose();
    });
  }
  const keys = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input")) return;
    if (asList && event.key.match(/Up|Down/)) return;
    if (event.target.matches(".drawn") && event.target.scrollWidth > event.target.clientWidth) return;
    const to = event.key === "Home" ? 0 : event.key === "End" ? shown.length - 1
      : event.key in keys ? place + keys[event.key] : null;
    if (to === null) return;
    event.preventDefault();
    go(to);
  });

  const start = all.findIndex((one) => `#${one.id}` === location.hash);
  place = Math.max(start, 0);
  at("bar").hidden = false;
  draw(false);
})();
