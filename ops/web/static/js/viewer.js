// A result's pictures, side by side or blended, with the temperature under the cursor.

import { address, get } from "./api.js";
import { deviationText, extreme, hotspotText } from "./deviation.js";
import { h } from "./dom.js";
import { highest, lowest, measured, number, plural, sigma, temperature } from "./format.js";
import { paint } from "./paint.js";
import { cropped, regions } from "./picture.js";
import { colourScale } from "./scale.js";
import { fetchAnomalyMap, fetchTemperatures } from "./values.js";
import { temperatureOrigin } from "./words.js";

const BLEND_START = 50;

/**
 * `[title, note]` of each picture.
 * @returns {Record<string, [string, string]>}
 */
function paneTexts(result) {
  const unit = result.temperature_unit;
  const found =
    result.hotspot_count > 0
      ? `${plural(result.hotspot_count, "hotspot")}, ${number(result.hotspot_area)} px`
      : "none";
  return {
    original: [
      "Original",
      `${lowest(result)} to ${highest(result)}`,
    ],
    reconstruction: ["Reconstruction", "what the model expects"],
    heatmap: ["Heatmap", "residual in σ, outlined above 5 σ"],
    overlay: ["Hotspots", `${found} above ${temperature(result.hotspot_threshold, unit)}`],
  };
}

/** Shows one result at a time in `container`. */
export class Viewer {
  /**
   * @param {HTMLElement} container
   * @param {(sign: string) => void} onSign called with `hot` or `cold` when it is known what a frame shows
   */
  constructor(container, onSign) {
    this.container = container;
    this.onSign = onSign;
    this.mode = "side";
    this.blend = BLEND_START;
    this.result = null;
    this.spot = null;
    this.loading = null;
    /** @type {import("./values.js").Matrix | null} */
    this.temperatures = null;
    /** @type {import("./values.js").Matrix | null} */
    this.map = null;
    /** @type {Error | null} */
    this.failed = null;
    /** @type {HTMLElement[]} */
    this.crosses = [];
    /** @type {HTMLElement[]} */
    this.rings = []; // around what deviates
    /** @type {ReturnType<typeof extreme>} */
    this.extreme = null;
    this.readout = h("div", { class: "readout-line", role: "status", id: "readout" });
    this.panes = h("div", { class: "panes" });
    this.modeButtons = ["side", "blend"].map((mode) =>
      h(
        "button",
        { type: "button", dataset: { mode }, onclick: () => this.setMode(mode) },
        mode === "side" ? "Side by side" : "Blend",
      ),
    );
    this.slider = h("input", {
      type: "range",
      min: 0,
      max: 100,
      value: this.blend,
      id: "blend",
      "aria-label": "From original to heatmap",
      oninput: () => {
        this.blend = Number(this.slider.value);
        this.applyBlend();
      },
    });
    this.found = h("p", { class: "found", id: "found" }); // what deviates
    this.blendBar = h("div", { class: "blend-bar" }, "Original", this.slider, "Heatmap");
    container.replaceChildren(
      h(
        "div",
        { class: "viewer-bar" },
        h("div", { class: "modes", role: "group", "aria-label": "Layout" }, this.modeButtons),
        this.readout,
      ),
      this.found,
      this.blendBar,
      this.panes,
    );
  }

  setMode(mode) {
    this.mode = mode;
    this.draw();
  }

  toggleMode() {
    this.setMode(this.mode === "side" ? "blend" : "side");
  }

  /** Show a result's pictures at once and its values when they arrive. */
  async show(result) {
    this.loading?.abort();
    this.loading = new AbortController();
    const { signal } = this.loading;
    Object.assign(this, { result, spot: null, temperatures: null, map: null, failed: null, extreme: null });
    this.found.textContent = "";
    this.draw();
    // either may fail alone: the anomaly map may be gone and the temperatures still there
    const [temperatures, map, hotspots] = await Promise.allSettled([
      fetchTemperatures(result.id, signal),
      fetchAnomalyMap(result, signal),
      result.hotspots ?? get(address("results", result.id), signal).then((detail) => detail.hotspots),
    ]);
    if (signal.aborted) return;
    this.temperatures = temperatures.status === "fulfilled" ? temperatures.value : null;
    this.map = map.status === "fulfilled" ? map.value : null;
    this.failed = temperatures.status === "rejected" ? temperatures.reason : null;
    if (!result.pictures.original) this.draw();
    this.drawFound(hotspots.status === "fulfilled" ? hotspots.value : []);
    this.drawReadout();
  }

  /** Say and mark what deviates; say which hotspots do not. */
  drawFound(hotspots) {
    const { width, height } = this.result;
    this.extreme = extreme(this.map);
    const texts = [
      deviationText(this.result, this.extreme, this.temperatures),
      hotspotText(hotspots, width, height, this.map),
    ].filter(Boolean);
    this.found.textContent = texts.map((text) => `${text}.`).join(" ");
    this.drawCross();
    const strongest = this.extreme ? this.extreme.sigma : this.result.deviation;
    if (strongest !== null) this.onSign(strongest < 0 ? "cold" : "hot");
  }

  draw() {
    if (!this.result) return;
    const hasPictures = Boolean(this.result.pictures.original);
    for (const button of this.modeButtons) {
      button.setAttribute("aria-pressed", String(button.dataset.mode === this.mode));
      button.parentElement.hidden = !hasPictures;
    }
    const blends = hasPictures && this.mode === "blend";
    this.blendBar.hidden = !blends;
    this.panes.className = `panes ${blends ? "blend" : hasPictures ? "side" : "blend single"}`;
    this.panes.classList.toggle("tall", this.result.height > this.result.width * 1.2);
    this.panes.style.setProperty("--ratio", this.result.width / this.result.height);
    this.crosses = [];
    this.rings = [];
    if (!hasPictures) this.panes.replaceChildren(...this.withoutPictures());
    else if (blends) this.panes.replaceChildren(this.blendPane());
    else {
      const kinds = Object.entries(paneTexts(this.result));
      this.panes.replaceChildren(...kinds.map(([kind, texts]) => this.pane(kind, texts)));
    }
    this.drawCross();
    this.drawReadout();
  }

  withoutPictures() {
    if (this.temperatures) {
      const note = `drawn from its values: ${lowest(this.result)} to ${highest(this.result)}`;
      const label = `Temperatures of ${this.result.image_path}`;
      const picture = paint(this.temperatures, label, this.result.display);
      return [this.frame("Original", note, this.touch(picture), this.scale("original"))];
    }
    const text = this.failed
      ? `No pictures of this frame are stored, and its values cannot be read: ${this.failed.message}`
      : "Reading the frame's values…";
    return [h("p", { class: "no-pictures" }, text)];
  }

  part(kind, which, alt) {
    const { page, image, scale } = regions(this.result.width, this.result.height);
    return cropped(this.result.pictures[kind], page, which === "scale" ? scale : image, alt);
  }

  /** The scale of a picture; if it is not known, the one that is stored with the picture. */
  scale(kind) {
    const known = colourScale(kind, this.result);
    if (known || !this.result.pictures[kind]) return known;
    return h("div", { class: "scale stored" }, this.part(kind, "scale", ""));
  }

  frame(title, note, ...framed) {
    return h(
      "figure",
      { class: "pane" },
      h("figcaption", null, h("b", null, title), h("span", { title: note }, note)),
      h("div", { class: "framed" }, framed.filter(Boolean)),
    );
  }

  pane(kind, [title, note]) {
    if (!this.result.pictures[kind]) {
      return this.frame(title, note, h("p", { class: "no-pictures" }, "Not stored."));
    }
    const touch = this.touch(this.part(kind, "image", `${title}: ${note}`));
    touch.dataset.kind = kind;
    return this.frame(title, note, touch, this.scale(kind));
  }

  blendPane() {
    this.upper = h("div", { class: "blended" }, this.part("heatmap", "image", "Heatmap"));
    const touch = this.touch(this.part("original", "image", "Original"), this.upper);
    touch.dataset.kind = "blend";
    this.scales = [this.scale("original"), this.scale("heatmap")];
    this.applyBlend();
    return this.frame("Original and heatmap", this.result.image_path, touch, ...this.scales);
  }

  applyBlend() {
    if (this.upper) this.upper.style.opacity = String(this.blend / 100);
  }

  /** An image with a crosshair. Pointer and arrow keys move the crosshairs of all images together. */
  touch(...layers) {
    const cross = h("div", { class: "cross", hidden: true });
    const ring = h("div", { class: "ring", hidden: true });
    const move = (event) => {
      const box = element.getBoundingClientRect();
      const inside = (share) => Math.min(0.999999, Math.max(0, share));
      this.setSpot(
        inside((event.clientX - box.left) / box.width),
        inside((event.clientY - box.top) / box.height),
      );
    };
    const element = h(
      "div",
      {
        class: "touch",
        tabindex: 0,
        role: "application",
        "aria-label": "Image; the arrow keys move the crosshair",
        onpointermove: move,
        onpointerdown: move,
        onkeydown: (event) => this.nudge(event),
      },
      layers,
      ring,
      cross,
    );
    this.crosses.push(cross);
    this.rings.push(ring);
    return element;
  }

  nudge(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation(); // don't also step through the review queue
    const { width, height } = this.result;
    const [x, y] = this.spot ?? [0.5, 0.5];
    const moved = (share, by, size) => {
      const pixel = Math.min(size - 1, Math.max(0, Math.floor(share * size) + by));
      return (pixel + 0.5) / size;
    };
    this.setSpot(moved(x, step[0], width), moved(y, step[1], height));
  }

  setSpot(x, y) {
    this.spot = [x, y];
    this.drawCross();
    this.drawReadout();
  }

  drawCross() {
    for (const ring of this.rings) {
      ring.hidden = this.extreme === null;
      if (this.extreme) {
        const { left, top, width, height } = this.extreme.region;
        // of the whole picture, and never so small that it hides what it marks
        ring.style.left = `${left * 100}%`;
        ring.style.top = `${top * 100}%`;
        ring.style.width = `${width * 100}%`;
        ring.style.height = `${height * 100}%`;
      }
    }
    for (const cross of this.crosses) {
      cross.hidden = this.spot === null;
      if (this.spot) {
        cross.style.left = `${this.spot[0] * 100}%`;
        cross.style.top = `${this.spot[1] * 100}%`;
      }
    }
  }

  drawReadout() {
    const parts = [];
    if (this.failed) parts.push(h("span", null, `No temperatures: ${this.failed.message}`));
    else if (!this.temperatures) parts.push(h("span", null, "Reading temperatures…"));
    else if (!this.spot) {
      parts.push(h("span", null, `Point at a picture to read its ${this.unitWords()}`));
    } else {
      const { value, column, row } = this.temperatures.at(...this.spot);
      parts.push(
        h("span", null, `x ${column}, y ${row}`),
        this.map ? h("span", null, `residual ${sigma(this.map.at(...this.spot).value, 1)}`) : null,
        h(
          "strong",
          { id: "spot", dataset: { value, column, row } },
          measured(value, this.result),
        ),
      );
      if (this.temperatures.unit !== "celsius") {
        parts.push(h("span", null, "not degrees"));
      }
    }
    this.readout.replaceChildren(...parts.filter(Boolean));
  }

  unitWords() {
    if (this.temperatures?.unit !== "celsius") return "counts (no scale declared)";
    const origin = temperatureOrigin(this.result.temperature_source);
    return origin ? `temperature (${origin})` : "temperature";
  }
}
