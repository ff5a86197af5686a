// One camera's tile on the wall. It shows the camera's finding, if it has one, else its latest image.

import { address } from "./api.js";
import { h } from "./dom.js";
import { ageOf, duration, highest, localTime, plural, sigma } from "./format.js";
import { sparkline } from "./sparkline.js";
import { stateName } from "./words.js";

/** Seconds after which it is said that a camera's frames wait. */
const BEHIND_S = 10;

/** The text of a camera's findings: those without a verdict count more than confirmed ones. */
export function findingName(camera) {
  if (camera.unreviewed > 0) return "Anomaly";
  return camera.confirmed > 0 ? "Confirmed" : null;
}

/** The chips of a camera: its findings, and its own state unless that is as it should be. */
export function stateChips(camera) {
  const finding = findingName(camera);
  const own = finding && camera.own_state === "ok" ? null : camera.own_state;
  return [
    finding ? h("span", { class: `chip ${camera.unreviewed > 0 ? "anomaly" : "confirmed"}` }, finding) : null,
    own ? h("span", { class: `chip ${own}` }, stateName(own)) : null,
  ].filter(Boolean);
}

function placeholder(result) {
  return h(
    "div",
    { class: "placeholder" },
    result ? h("strong", null, highest(result)) : null,
    result ? "highest in this image, which is no longer stored" : "Nothing scored yet",
  );
}

/** An image that has loaded; rejects if there is none. */
async function loaded(src, alt) {
  const image = h("img", { src, alt });
  await image.decode();
  return image;
}

/** The picture of a result: a finding's with its spot marked, if its anomaly map is still stored. */
async function pictureOf(camera, shown) {
  const bare = address("results", shown.id, "pictures", "thumbnail");
  if (!camera.finding) return loaded(bare, `Latest image of ${camera.name}`);
  const what = `${findingName(camera) === "Anomaly" ? "Anomalous" : "Confirmed anomalous"} image of ${camera.name}`;
  try {
    return await loaded(shown.image, `${what}, its spot marked`);
  } catch {
    return loaded(bare, what);
  }
}

export class Tile {
  constructor(name) {
    this.key = null; // what the picture shows
    this.last = null;
    this.shownId = null;
    this.lastId = null; // what the line of scores shows
    this.shownAt = null;
    this.pending = 0; // frames that wait to be scored
    this.oldestAt = null; // when the oldest of them arrived
    this.staleAfterS = Infinity;
    this.chips = h("span", { class: "chips" });
    this.review = h("span", { class: "sub to-review right", hidden: true });
    this.age = h("span", { class: "age" });
    this.screen = h("div", { class: "screen" });
    this.max = h("span", { class: "max" });
    this.score = h("span", { class: "sub score" });
    this.note = h("span", { class: "sub whole", hidden: true });
    this.latest = h("span", { class: "sub whole", hidden: true });
    this.failing = h("span", { class: "sub whole", hidden: true });
    this.clock = h("span", { class: "sub whole clock", hidden: true });
    this.spark = h("div");
    const page = `/cameras/${encodeURIComponent(name)}`;
    this.name = h("a", { class: "name", href: page, title: name }, name);
    // covers the whole tile, below the name's link; without a finding the name's does
    this.open = h("a", { class: "open", hidden: true });
    this.element = h(
      "article",
      { class: "tile", "aria-label": name },
      this.open,
      h("div", { class: "tile-head" }, this.chips, this.age),
      this.screen,
      h(
        "div",
        { class: "tile-text" },
        this.name,
        this.max,
        this.score,
        this.review,
        this.note,
        this.latest,
        this.failing,
        this.clock,
        this.spark,
      ),
    );
  }

  draw(camera) {
    const { last, finding } = camera;
    const shown = finding ?? last;
    const { element } = this;
    element.dataset.state = camera.state;
    element.dataset.own = camera.own_state;
    element.dataset.result = last ? String(last.id) : "";
    element.dataset.shown = shown ? String(shown.id) : "";
    this.#drawLink(camera);
    this.chips.replaceChildren(...stateChips(camera));
    this.review.hidden = camera.unreviewed === 0;
    this.review.textContent = `${camera.unreviewed} to review`;
    this.max.textContent = shown ? `max ${highest(shown)}` : "";
    this.score.textContent = shown ? `Score ${sigma(shown.score)} of ${sigma(shown.threshold)}` : "";
    this.note.hidden = camera.pending === 0;
    this.pending = camera.pending;
    this.oldestAt = camera.oldest_pending_at;
    const fault = camera.failing ?? camera.frozen;
    this.failing.hidden = fault === null;
    this.failing.textContent = fault ?? "";
    this.clock.hidden = camera.clock === null;
    this.clock.textContent = camera.clock === null ? "" : `Camera clock ${camera.clock}`;
    this.shownAt = shown?.arrived_at ?? null;
    this.last = last;
    this.shownId = shown?.id;
    this.isFinding = finding !== null;
    this.staleAfterS = camera.stale_after_s;
    this.#drawPicture(camera, shown);
    this.#drawSpark(camera);
  }

  /** A finding's tile opens the anomalous frame; the camera's page is under its name. */
  #drawLink({ name, finding, unreviewed }) {
    this.open.hidden = finding === null;
    if (finding === null) return;
    this.open.href = `/results/${finding.id}`;
    this.open.setAttribute("aria-label", `${unreviewed > 0 ? "Anomaly" : "Confirmed anomaly"} of ${name}`);
  }

  #drawPicture(camera, shown) {
    const key = shown ? `${shown.id} ${camera.finding !== null}` : "none";
    if (this.key === key) return;
    this.key = key;
    const put = (picture) => this.key === key && this.screen.replaceChildren(picture);
    if (!shown) put(placeholder(null));
    // keep the old picture until the new one has loaded; if its file is gone, show the temperature
    else pictureOf(camera, shown).then(put, () => put(placeholder(shown)));
    if (this.screen.childElementCount === 0) put(placeholder(shown));
  }

  #drawSpark({ last, recent }) {
    const lastId = last ? last.id : 0;
    if (this.lastId === lastId) return;
    const isNew = this.lastId !== null;
    this.lastId = lastId;
    const spark = sparkline(recent);
    this.spark.replaceWith(spark);
    this.spark = spark;
    if (!isNew) return;
    this.element.classList.remove("fresh");
    void this.element.offsetWidth; // forces a layout, which restarts the animation
    this.element.classList.add("fresh");
  }

  /** Write the ages; they grow also while the server does not answer. */
  drawAges() {
    const behindS = ageOf(this.oldestAt) ?? 0;
    this.note.textContent = `${this.pending} pending${behindS > BEHIND_S ? `, behind by ${duration(behindS)}` : ""}`;
    const lastAge = ageOf(this.last?.arrived_at);
    const stale = lastAge !== null && lastAge > this.staleAfterS;
    this.element.toggleAttribute("data-stale", stale);
    const old = stale && !this.isFinding;
    this.age.hidden = this.shownAt === null;
    this.age.textContent = `${old ? "Old image: " : ""}${duration(ageOf(this.shownAt))} ago`;
    this.age.title = localTime(this.shownAt);
    this.latest.hidden = this.last === null || this.shownId === this.last.id;
    if (this.latest.hidden) return;
    const prediction = this.last.prediction.toLowerCase();
    this.latest.textContent = `Latest image ${duration(lastAge)} ago: ${prediction}, max ${highest(this.last)}`;
    this.latest.classList.toggle("late", stale);
  }
}

/** What the whole wall shows, in words: what needs attention first. */
export function totals(cameras) {
  const count = (test) => cameras.filter(test).length;
  const parts = [plural(cameras.length, "camera")];
  for (const [number, words] of [
    [count((camera) => camera.unreviewed > 0), "with an anomaly"],
    [count((camera) => camera.unreviewed === 0 && camera.confirmed > 0), "with a confirmed anomaly"],
    ...["silent", "unreadable", "frozen", "learning"].map((state) => [
      count((camera) => camera.own_state === state),
      state,
    ]),
  ]) {
    if (number > 0) parts.push(`${number} ${words}`);
  }
  if (cameras.length > 0 && parts.length === 1) parts.push("all OK");
  return cameras.length > 0 ? parts.join(" · ") : "";
}
