"use strict";

// For each sample: a playhead that follows the sound, highlighted sounding notes, and the piano roll as a seek slider.
document.documentElement.classList.add("scripted");
const UNITS_PER_SECOND = 100;
const SEEK_SECONDS = {
  ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10, Home: -Infinity, End: Infinity,
};
const players = [...document.querySelectorAll("audio")];
const formatDuration = (seconds) =>
  Math.floor(seconds / 60) + ":" + String(Math.floor(seconds % 60)).padStart(2, "0");

for (const sample of document.querySelectorAll(".sample")) {
  const audio = sample.querySelector("audio");
  const view = sample.querySelector(".roll-view");
  const roll = sample.querySelector(".roll");
  const playhead = sample.querySelector(".playhead");
  const sounding = sample.querySelector(".sounding");
  const seconds = Number(roll.dataset.seconds);
  // [start, row, duration] of every note, in the units of the drawing: 10 ms, and semitones from the top.
  const notes = [...sample.querySelectorAll(".notes")].flatMap((path) =>
    [...path.getAttribute("d").matchAll(/M(\d+) (\d+)h(\d+)/g)].map((match) => match.slice(1).map(Number)));

  // Shows the current time; returns it as a fraction of the whole.
  const update = () => {
    const time = Math.min(audio.currentTime, seconds);
    const units = UNITS_PER_SECOND * time;
    const current = audio.paused ? [] : notes.filter(([start, , duration]) => start <= units && units < start + duration);
    playhead.hidden = false;
    playhead.style.left = 100 * time / seconds + "%";
    sounding.setAttribute("d", current.map(([start, row, duration]) => `M${start} ${row}h${duration}`).join(""));
    roll.setAttribute("aria-valuenow", time.toFixed(1));
    roll.setAttribute("aria-valuetext", formatDuration(time) + " of " + formatDuration(seconds));
    return time / seconds;
  };
  // A long piano roll is wider than a narrow screen: scroll on when the playhead comes near the edge.
  const follow = () => {
    const x = update() * roll.clientWidth;
    if (x < view.scrollLeft || x > view.scrollLeft + 0.9 * view.clientWidth) {
      view.scrollLeft = x - 0.1 * view.clientWidth;
    }
    if (!audio.paused) requestAnimationFrame(follow);
  };
  const seek = (time) => {
    audio.currentTime = Math.max(0, Math.min(time, seconds));
    update();
  };

  // A fading edge shows that there is more to scroll to.
  const updateEdge = () =>
    view.classList.toggle("more", view.scrollLeft + view.clientWidth < view.scrollWidth - 4);
  view.addEventListener("scroll", updateEdge, { passive: true });
  new ResizeObserver(updateEdge).observe(view);

  audio.addEventListener("play", () => {
    for (const other of players) if (other !== audio) other.pause();
    requestAnimationFrame(follow);
  });
  for (const event of ["pause", "seeked", "ended"]) audio.addEventListener(event, update);

  roll.setAttribute("role", "slider");
  roll.setAttribute("aria-description", roll.getAttribute("aria-label"));
  roll.setAttribute("aria-label", "Position in " + audio.getAttribute("aria-label"));
  roll.setAttribute("aria-valuemin", "0");
  roll.setAttribute("aria-valuemax", seconds.toFixed(1));
  roll.setAttribute("aria-valuenow", "0");
  roll.setAttribute("aria-valuetext", "0:00 of " + formatDuration(seconds));
  roll.tabIndex = 0;
  roll.addEventListener("click", (event) => {
    const box = roll.getBoundingClientRect();
    seek((event.clientX - box.left) / box.width * seconds);
  });
  roll.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " " || event.key === "Enter") {
      if (audio.paused) audio.play();
      else audio.pause();
    } else if (event.key in SEEK_SECONDS) {
      seek(audio.currentTime + SEEK_SECONDS[event.key]);
    } else return;
    event.preventDefault();
  });
  sample.querySelector("button")?.addEventListener("click", (event) => {
    seek(Number(event.currentTarget.dataset.seek));
    audio.play();
  });
}
