// The wall: a tile per camera, updated by server-sent events.

import { query } from "./api.js";
import { Cameras } from "./cameras.js";
import { noteServerTime } from "./clock.js";
import { at, empty, h } from "./dom.js";
import { groupNames, groupOf, grouped, heading } from "./groups.js";
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
/** @type {Map<string, HTMLElement>} */
const headings = new Map(); // by group
const wanted = new URLSearchParams(location.search); // what the link asks for
/** @type {Map<string, string>} */
const states = new Map(); // by camera, as they were said last
let movedAt = -Infinity;
at("wall").addEventListener("pointermove", () => (movedAt = performance.now()));

/** Cameras that need attention come first: what nobody has looked at, then what nobody can see. */
const ORDER = ["Anomaly", "silent", "unreadable", "frozen", "Confirmed", "learning", "ok"];

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
  const groups = grouped(sorted, urgency);
  for (const camera of sorted) {
    let tile = tiles.get(camera.name);
    if (!tile) {
      tile = new Tile(camera.name);
      tiles.set(camera.name, tile);
      tile.element.dataset.group = groupOf(camera);
      putLast(wall, tile.element);
    }
    tile.draw(camera);
  }
  drawHeadings(groups);
  if (isInUse) return;
  const elementOf = (camera) => /** @type {Tile} */ (tiles.get(camera.name)).element;
  const order = groups.length === 0
    ? sorted.map(elementOf)
    : groups.flatMap(([name, members]) => [headings.get(name), ...members.map(elementOf)]);
  order.forEach((element, place) => {
    if (wall.children[place] !== element) wall.insertBefore(element, wall.children[place] ?? null);
  });
}

/** Put a new element behind the others of its group. */
function putLast(wall, element) {
  const others = [...wall.children].filter((other) => other.dataset.group === element.dataset.group);
  if (others.length > 0) others[others.length - 1].after(element);
  else wall.append(element);
}

function drawHeadings(groups) {
  for (const [name, element] of headings) {
    if (groups.some(([known]) => known === name)) continue;
    element.remove();
    headings.delete(name);
  }
  for (const [name, members] of groups) {
    const drawn = heading(name, members);
    const known = headings.get(name);
    if (known) known.replaceChildren(...drawn.childNodes);
    else {
      headings.set(name, drawn);
      const first = [...at("wall").children].find((element) => element.dataset.group === name);
      at("wall").insertBefore(drawn, first);
    }
  }
}

/** Let the groups be chosen, if there are any. */
function drawGroups(names) {
  const select = at("group");
  at("group-box").hidden = names.length === 0;
  const known = [...select.options].slice(1).map((option) => option.value);
  if (known.join("\n") === names.join("\n")) return;
  const chosen = select.value || wanted.get("group") || "";
  select.replaceChildren(
    h("option", { value: "" }, "All groups"),
    ...names.map((name) => h("option", { value: name }, name)),
  );
  select.value = names.includes(chosen) ? chosen : "";
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
  const text = at("find").value.trim().toLowerCase();
  const group = at("group").value;
  const shown = new Set();
  for (const [name, { element }] of tiles) {
    const isOpen = element.dataset.state === "anomaly" || element.dataset.own !== "ok";
    element.hidden =
      !name.toLowerCase().includes(text) ||
      (at("only-open").checked && !isOpen) ||
      (group !== "" && element.dataset.group !== group);
    if (!element.hidden) shown.add(element.dataset.group);
  }
  for (const [name, element] of headings) element.hidden = !shown.has(name);
}

/** Keep what is shown in the address, so that it can be shared and survives a reload. */
function choose() {
  filter();
  const chosen = {
    group: at("group").value,
    find: at("find").value.trim(),
    attention: at("only-open").checked ? "1" : "",
  };
  history.replaceState(null, "", `/${query(chosen)}`);
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
  const isNarrowed = at("find").value !== "" || at("only-open").checked;
  for (const id of ["find", "only-open-box"]) at(id).hidden = count <= MANY && !isNarrowed;
  arrange(list.cameras);
  drawGroups(groupNames(list.cameras));
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

at("find").value = wanted.get("find") ?? "";
at("only-open").checked = wanted.get("attention") === "1";
at("find").addEventListener("input", choose);
for (const id of ["only-open", "group"]) at(id).addEventListener("change", choose);
refresh();
onNews(refresh);
setInterval(drawAges, 1000);
// a silent camera causes no event, so poll as well
setInterval(refresh, POLL_MS);
