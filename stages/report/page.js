"use strict";

// Each sample: a playhead that follows the sound, the notes that sound lit up, the roll as a slider to seek with.
document.documentElement.classList.add("live");
const clock = (s) => Math.floor(s / 60) + ":" + String(Math.floor(s % 60)).padStart(2, "0");
const players = [...document.querySelectorAll("audio")];

for (const sample of document.querySelectorAll(".sample")) {
  const audio = sample.querySelector("audio");
  const view = sample.querySelector(".view");
  const roll = sample.querySelector(".roll");
  const playhead = sample.querySelector(".playhead");
  const sounding = sample.querySelector(".sounding");
  const seconds = Number(roll.dataset.seconds);
  // [start, row, length] of every note, in the drawing's units: hundredths of a second, semitones from the top.
  const notes = [...sample.querySelectorAll(".notes")].flatMap((path) =>
    [...path.getAttribute("d").matchAll(/M(\d+) (\d+)h(\d+)/g)].map((match) => match.slice(1).map(Number)));

  const show = () => {
    const now = Math.min(audio.currentTime, seconds);
    const there = now / seconds;
    playhead.hidden = false;
    playhead.style.left = 100 * there + "%";
    const lit = audio.paused ? [] : notes.filter(([x, , w]) => x <= 100 * now && 100 * now < x + w);
    sounding.setAttribute("d", lit.map(([x, y, w]) => `M${x} ${y}h${w}`).join(""));
    roll.setAttribute("aria-valuenow", now.toFixed(1));
    roll.setAttribute("aria-valuetext", clock(now) + " of " + clock(seconds));
    return there;
  };
  // A long roll is wider than a narrow screen: turn the page when the playhead gets near the edge.
  const follow = () => {
    const x = show() * roll.clientWidth;
    if (x < view.scrollLeft || x > view.scrollLeft + 0.9 * view.clientWidth) {
      view.scrollLeft = x - 0.1 * view.clientWidth;
    }
    if (!audio.paused) requestAnimationFrame(follow);
  };
  const seek = (s) => {
    audio.currentTime = Math.max(0, Math.min(s, seconds));
    show();
  };

  // A fading edge says that the roll goes on.
  const edge = () => view.classList.toggle("more", view.scrollLeft + view.clientWidth < view.scrollWidth - 4);
  view.addEventListener("scroll", edge, { passive: true });
  new ResizeObserver(edge).observe(view);

  audio.addEventListener("play", () => {
    for (const other of players) if (other !== audio) other.pause();
    requestAnimationFrame(follow);
  });
  for (const event of ["pause", "seeked", "ended"]) audio.addEventListener(event, show);

  roll.setAttribute("role", "slider");
  roll.setAttribute("aria-description", roll.getAttribute("aria-label"));
  roll.setAttribute("aria-label", "Position in " + audio.getAttribute("aria-label"));
  roll.setAttribute("aria-valuemin", "0");
  roll.setAttribute("aria-valuemax", seconds.toFixed(1));
  roll.setAttribute("aria-valuenow", "0");
  roll.setAttribute("aria-valuetext", "0:00 of " + clock(seconds));
  roll.tabIndex = 0;
  roll.addEventListener("click", (event) => {
    const box = roll.getBoundingClientRect();
    seek((event.clientX - box.left) / box.width * seconds);
  });
  roll.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10, Home: -Infinity, End: Infinity };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " " || event.key === "Enter") {
      if (audio.paused) audio.play();
      else audio.pause();
    } else if (event.key in steps) {
      seek(audio.currentTime + steps[event.key]);
    } else return;
    event.preventDefault();
  });
  sample.querySelector("button")?.addEventListener("click", (event) => {
    seek(Number(event.target.dataset.seek));
    audio.play();
  });
}
