// The wall: a tile per camera, updated by server-sent events.

import { Cameras } from "./cameras.js";
import { noteServerTime } from "./clock.js";
import { at, empty, h } from "./dom.js";
import { onNews } from "./live.js";
import { trouble } from "./notice.js";
import { Tile, findingName, totals } from "./tile.js";
import { stateName } from "./words.js";

const POLL_MS = 30000;
/** Tiles keep their places for so long after the pointer moved on them: nobody clicks on another. */
const STILL_MS = 4000;

/** More cameras than this get smaller tiles, and a field to find one. */
const MANY = 12;

const all = new Cameras(true);
/** @type {Map<string, Tile>} */
const tiles = new Map();
/** @type {Map<string, string>} */
const states = new Map(); // by camera, as they were said last
let movedAt = -Infinity;
at("wall").addEventListener("pointermove", () => (movedAt = performance.now()));

/** Cameras that need attention come first: what nobody has looked at, then what nobody can see. */
const ORDER = ["Anomaly", "silent", "unreadable", "Confirmed", "learning", "ok"];

function urgency(camera) {
  const places = [findingName(camera), camera.own_state].map((word) => ORDER.indexOf(word ?? "ok"));
  return Math.min(...places);
}

function arrange(cameras) {
  const wall = at("wall");
  const sorted = [...cameras].sort(
    (a, b) => urgency(a) - urgency(b) || a.name.localeCompare(b.name, "en", { numeric: true }),
  );
  for (const [name, tile] of tiles) {
    if (!cameras.some((camera) => camera.name === name)) {
      tile.element.remove();
      tiles.delete(name);
    }
  }
  sayChanges(cameras);
  const isInUse = performance.now() - movedAt < STILL_MS || wall.contains(document.activeElement);
  sorted.forEach((camera, place) => {
    let tile = tiles.get(camera.name);
    const isNew = tile === undefined;
    if (!tile) {
      tile = new Tile(camera.name);
      tiles.set(camera.name, tile);
    }
    tile.draw(camera);
    if (isNew && isInUse) wall.append(tile.element);
    else if (!isInUse && wall.children[place] !== tile.element) {
      wall.insertBefore(tile.element, wall.children[place] ?? null);
    }
  });
}

/** For screen readers: which cameras have another state than before. */
function sayChanges(cameras) {
  const said = [];
  for (const { name, state, own_state: own, unreviewed } of cameras) {
    const known = states.get(name);
    const now = state === "anomaly" ? (unreviewed > 0 ? "Anomaly" : "Confirmed") : stateName(own);
    if (known !== undefined && known !== now) said.push(`${name}: ${now}`);
    states.set(name, now);
  }
  if (said.length > 0) at("changes").textContent = said.join(", ");
}

/** Hide the tiles that were not asked for. */
function filter() {
  const wanted = at("find").value.trim().toLowerCase();
  for (const [name, { element }] of tiles) {
    const isOpen = element.dataset.state === "anomaly" || element.dataset.own !== "ok";
    element.hidden = !name.toLowerCase().includes(wanted) || (at("only-open").checked && !isOpen);
  }
}

function drawAges() {
  for (const tile of tiles.values()) tile.drawAges();
}

async function refresh() {
  let list;
  try {
    list = await all.refresh();
  } catch (error) {
    trouble(error, refresh);
    return;
  }
  trouble(null);
  noteServerTime(list.now);
  const wall = at("wall");
  wall.removeAttribute("aria-busy");
  wall.querySelector(".empty")?.remove();
  const count = list.cameras.length;
  wall.classList.toggle("few", count <= 3);
  wall.classList.toggle("many", count > MANY);
  for (const id of ["find", "only-open-box"]) at(id).hidden = count <= MANY;
  arrange(list.cameras);
  filter();
  drawAges();
  at("totals").textContent = totals(list.cameras);
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

at("find").addEventListener("input", filter);
at("only-open").addEventListener("change", filter);
refresh();
onNews(refresh);
setInterval(drawAges, 1000);
// a silent camera causes no event, so poll as well
setInterval(refresh, POLL_MS);
