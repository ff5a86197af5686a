// The wall: a tile per camera, updated by server-sent events.

import { address, get } from "./api.js";
import { at, empty, h } from "./dom.js";
import { duration, localTime, plural, sigma, temperature } from "./format.js";
import { onNews } from "./live.js";
import { trouble } from "./notice.js";
import { showWaiting } from "./shell.js";
import { sparkline } from "./sparkline.js";
import { stateName } from "./words.js";

/** Tiles by camera, with what they show, so that only changes are redrawn. */
const tiles = new Map();
let clockSkew = 0; // server's clock minus this machine's, s

function newTile(camera) {
  const parts = {
    chip: h("span", { class: "chip" }),
    review: h("span", { class: "count to-review", hidden: true }),
    age: h("span", { class: "age" }),
    screen: h("div", { class: "screen" }),
    max: h("span", { class: "max" }),
    score: h("span", { class: "sub" }),
    note: h("span", { class: "sub right" }),
    spark: h("div"),
  };
  const element = h(
    "a",
    { class: "tile", href: `/cameras/${encodeURIComponent(camera.name)}` },
    parts.screen,
    h(
      "div",
      { class: "tile-text" },
      h("span", { class: "name", title: camera.name }, camera.name),
      parts.max,
      parts.score,
      parts.note,
      parts.spark,
    ),
  );
  return { element, parts, resultId: null, lastAt: null };
}

function placeholder(last) {
  return h(
    "div",
    { class: "placeholder" },
    last ? h("strong", null, temperature(last.max_temperature, last.temperature_unit)) : null,
    last ? "highest in the latest image" : "Nothing scored yet",
  );
}

function drawScreen(tile, camera) {
  const { screen, chip, review, age } = tile.parts;
  const last = camera.last;
  const still = [chip, review, age];
  if (!last) {
    screen.replaceChildren(placeholder(last), ...still);
    return;
  }
  const image = h("img", {
    src: address("results", last.id, "pictures", "thumbnail"),
    alt: `Latest image of ${camera.name}`,
  });
  // Keep the old picture until the new one has loaded. If its file is gone, show the temperature.
  image.decode().then(
    () => tile.resultId === last.id && screen.replaceChildren(image, ...still),
    () => tile.resultId === last.id && screen.replaceChildren(placeholder(last), ...still),
  );
  if (screen.childElementCount === 0) screen.replaceChildren(placeholder(last), ...still);
}

function drawTile(tile, camera) {
  const { parts, element } = tile;
  const last = camera.last;
  element.dataset.state = camera.state;
  element.dataset.result = last ? String(last.id) : "";
  parts.chip.className = `chip ${camera.state}`;
  parts.chip.textContent = stateName(camera.state);
  parts.review.hidden = camera.unreviewed === 0;
  parts.review.textContent = `${camera.unreviewed} to review`;
  parts.max.textContent = last ? temperature(last.max_temperature, last.temperature_unit) : "";
  parts.score.textContent = last ? `Score ${sigma(last.score)} of ${sigma(last.threshold)}` : "";
  parts.note.textContent = camera.pending > 0 ? `${camera.pending} pending` : "max";
  tile.lastAt = camera.last_frame_at;
  const resultId = last ? last.id : 0;
  if (tile.resultId === resultId) return;
  const isNew = tile.resultId !== null;
  tile.resultId = resultId;
  drawScreen(tile, camera);
  const spark = sparkline(camera.recent);
  parts.spark.replaceWith(spark);
  parts.spark = spark;
  if (isNew) {
    element.classList.remove("fresh");
    void element.offsetWidth; // forces a layout, which restarts the animation
    element.classList.add("fresh");
  }
}

function drawAges() {
  const now = Date.now() / 1000 + clockSkew;
  for (const tile of tiles.values()) {
    tile.parts.age.textContent = `${duration(now - tile.lastAt)} ago`;
    tile.parts.age.title = localTime(tile.lastAt);
  }
}

function drawTotals(cameras) {
  const count = (state) => cameras.filter((camera) => camera.state === state).length;
  const parts = [plural(cameras.length, "camera")];
  for (const [state, words] of [
    ["anomaly", "with an anomaly"],
    ["silent", "silent"],
    ["learning", "learning"],
  ]) {
    if (count(state) > 0) parts.push(`${count(state)} ${words}`);
  }
  if (cameras.length > 0 && parts.length === 1) parts.push("all OK");
  at("totals").textContent = cameras.length > 0 ? parts.join(" · ") : "";
}

/** Cameras that need attention come first. */
const ORDER = { anomaly: 0, silent: 1, learning: 2, ok: 3 };

function arrange(cameras) {
  const wall = at("wall");
  const sorted = [...cameras].sort(
    (a, b) => ORDER[a.state] - ORDER[b.state] || a.name.localeCompare(b.name, "en", { numeric: true }),
  );
  for (const [name, tile] of tiles) {
    if (!cameras.some((camera) => camera.name === name)) {
      tile.element.remove();
      tiles.delete(name);
    }
  }
  sorted.forEach((camera, place) => {
    let tile = tiles.get(camera.name);
    if (!tile) {
      tile = newTile(camera);
      tiles.set(camera.name, tile);
    }
    drawTile(tile, camera);
    if (wall.children[place] !== tile.element) {
      const hadFocus = tile.element === document.activeElement;
      wall.insertBefore(tile.element, wall.children[place] ?? null);
      if (hadFocus) tile.element.focus();
    }
  });
}

async function refresh() {
  let list;
  try {
    list = await get(address("cameras"));
  } catch (error) {
    trouble(error, refresh);
    return;
  }
  trouble(null);
  clockSkew = list.now - Date.now() / 1000;
  const wall = at("wall");
  wall.removeAttribute("aria-busy");
  wall.querySelector(".empty")?.remove();
  wall.classList.toggle("few", list.cameras.length <= 3);
  arrange(list.cameras);
  drawAges();
  drawTotals(list.cameras);
  showWaiting(list.cameras.reduce((sum, camera) => sum + camera.unreviewed, 0));
  if (list.cameras.length === 0) {
    wall.append(
      empty(
        "No camera has sent an image yet",
        "Each folder in a watch directory is a camera. Copy an image into one, and it appears here.",
        h("pre", null, "cp image.png /srv/cameras/east/"),
      ),
    );
  }
}

refresh();
onNews(refresh);
setInterval(drawAges, 1000);
// a silent camera causes no event, so poll as well
setInterval(refresh, 30000);
