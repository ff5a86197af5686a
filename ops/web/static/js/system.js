// System: what the processes do, what waits, what could not be used.

import { address, get, post, query } from "./api.js";
import { at, empty, facts, h } from "./dom.js";
import { ago, bytes, duration, localTime, number, percent, plural, sigma } from "./format.js";
import { notify, trouble } from "./notice.js";
import { may } from "./shell.js";
import { followNews } from "./waiting.js";
import { quarantineReason } from "./words.js";

const LATE_S = 60; // an older frame than this means that the workers do not keep up
const FULL = 0.9; // share of the disk
const FAR = 0.5; // drift that deserves a look
const PAGE = 50;
let quarantineNext = null;
let quarantined = [];

function card(value, text, warn = false) {
  return h("div", { class: warn ? "panel warn" : "panel" }, h("strong", null, value), text);
}

function drawNumbers(status) {
  const { counts } = status;
  const late = (status.oldest_pending_s ?? 0) > LATE_S;
  at("numbers").replaceChildren(
    card(number(counts.pending), "frames wait", late),
    card(
      status.oldest_pending_s === null ? "–" : duration(status.oldest_pending_s),
      "age of the oldest of them",
      late,
    ),
    card(number(status.queue_jobs), status.queue_error ? "jobs: Redis is away" : "jobs in the queue", Boolean(status.queue_error)),
    card(number(status.frames_last_minute), "frames in the last minute"),
    card(number(status.frames_last_hour), "frames in the last hour"),
    card(number(counts.quarantined), "in quarantine"),
  );
}

function process(chip, name, text) {
  return h(
    "div",
    { class: "process" },
    h("span", { class: `chip ${chip[1]}` }, chip[0]),
    h("span", null, h("b", null, name), h("br"), h("span", { class: "quiet small" }, text)),
  );
}

function drawProcesses(status) {
  const none = (text) => h("p", { class: "quiet" }, text);
  if (status.queue_error) {
    const text = `Redis cannot be reached, so nobody knows: ${status.queue_error}`;
    at("workers").replaceChildren(none(text));
    at("producers").replaceChildren(none("Unknown as well."));
    return;
  }
  at("workers").replaceChildren(
    ...(status.workers.length > 0
      ? status.workers.map((worker) =>
          process(
            [worker.state, worker.state === "busy" ? "ok" : ""],
            worker.name,
            worker.last_sign_at ? `last sign of life ${ago(worker.last_sign_at)}` : "no sign of life yet",
          ),
        )
      : [none("No worker runs: frames wait. Start one with `thermalwatch work`, or `thermalwatch up`.")]),
  );
  at("producers").replaceChildren(
    ...(status.producers.length > 0
      ? status.producers.flatMap((producer) =>
          producer.roots.map((root) =>
            process(
              [root.mode, ""],
              root.root,
              `${plural(root.frames, "frame")} announced, ${root.settling} settling, scanned ` +
                (root.scanned_at ? ago(root.scanned_at) : "not yet"),
            ),
          ),
        )
      : [none("No producer runs: new files go unnoticed. Start one with `thermalwatch produce`, or `up`.")]),
  );
}

function drawModel(model) {
  if (!model) {
    at("model").replaceChildren(
      h("p", { class: "quiet" }, "No model is active. Train one with `thermalwatch train`, then start with --model."),
    );
    return;
  }
  at("model").replaceChildren(
    facts([
      ["Model", h("span", { class: "mono" }, model.model_id.slice(0, 12))],
      ["Trained on", `${plural(model.images, "image")} of normal operation`],
      ["Cameras", model.cameras.join(", ") || "any"],
      ["Sees", `${model.width} × ${model.height} px, ${model.unit === "celsius" ? "°C" : "counts"}`],
    ]),
  );
}

function drawBooks({ counts, disk, version }) {
  const said = [
    ["Frames seen", number(counts.seen)],
    ["Scored", number(counts.scored)],
    ["Superseded", number(counts.superseded)],
    ["Version", version],
  ];
  const parts = [];
  if (disk) {
    const used = 1 - disk.free_bytes / disk.total_bytes;
    parts.push(
      h("div", { class: used > FULL ? "gauge warn" : "gauge", "aria-hidden": "true" }, h("i", { style: { width: `${used * 100}%` } })),
      h("p", { class: "small" }, `${bytes(disk.free_bytes)} of ${bytes(disk.total_bytes)} free (${percent(used)} used)`),
      h("p", { class: "quiet small mono" }, disk.path),
    );
    if (disk.database_bytes !== null) said.push(["Database", bytes(disk.database_bytes)]);
  }
  at("books").replaceChildren(facts(said), ...parts);
}

function driftRow(drift) {
  const far = Math.abs(drift.drift) > FAR;
  const half = Math.min(1, Math.abs(drift.drift)) * 50;
  const bar = h(
    "div",
    { class: far ? "drift-bar far" : "drift-bar", "aria-hidden": "true" },
    h("i", { style: { width: `${half}%`, left: drift.drift < 0 ? `${50 - half}%` : "50%" } }),
  );
  const note = drift.learning
    ? "learning its level"
    : drift.held
      ? "held: many of its last frames are flagged"
      : far
        ? "far: has the view changed? An administrator may accept the new level on the camera's page."
        : "as usual";
  return h(
    "tr",
    null,
    h("td", { "data-label": "Camera", class: "wide" }, h("a", { href: `/cameras/${encodeURIComponent(drift.camera)}` }, drift.camera)),
    h("td", { class: "wide" }, bar),
    h("td", { "data-label": "Drift", class: "number" }, `${drift.drift > 0 ? "+" : ""}${percent(drift.drift)}`),
    h("td", { "data-label": "Limit", class: "number" }, sigma(drift.threshold)),
    h("td", { class: "quiet wide" }, note),
  );
}

function table(head, rows) {
  const cells = head.map(([name, kind]) => h("th", { scope: "col", class: kind ?? null }, name));
  return h(
    "div",
    { class: "table-box" },
    h("table", { class: "cards" }, h("thead", null, h("tr", null, cells)), h("tbody", null, rows)),
  );
}

function drawDrift(drifts) {
  const head = [["Camera"], ["Away from normal"], ["Drift", "number"], ["Threshold", "number"], ["Note"]];
  at("drift").replaceChildren(
    drifts.length > 0
      ? table(head, drifts.map(driftRow))
      : h("p", { class: "quiet" }, "Known when a camera has its first scores."),
  );
}

async function requeue(frame, button) {
  button.disabled = true;
  try {
    await post(address("quarantine", frame.frame_id, "requeue"));
    notify(`${frame.path} is tried again`);
    await loadQuarantine();
  } catch (error) {
    button.disabled = false;
    notify(`Not tried again. ${error.message}`, { error: true });
  }
}

/** The file as the browser can draw it; what it cannot draw leaves no broken picture. */
function quarantinePicture(frame) {
  if (!frame.picture) return null;
  const image = h("img", { class: "evidence", src: frame.picture, alt: "", loading: "lazy" });
  const name = `What came as ${frame.path}`;
  const link = h("a", { href: frame.picture, target: "_blank", rel: "noopener", "aria-label": name }, image);
  image.addEventListener("error", () => link.remove());
  return link;
}

function quarantineRow(frame) {
  const again = h("button", { class: "button small-button", type: "button" }, "Try again");
  again.addEventListener("click", () => requeue(frame, again));
  again.setAttribute("aria-label", `Try ${frame.path} again`);
  return h(
    "tr",
    null,
    h(
      "td",
      { class: "wide" },
      h(
        "span",
        null,
        h("b", null, frame.reason.replaceAll("_", " ")),
        h("br"),
        h("span", { class: "quiet small" }, quarantineReason(frame.reason)),
      ),
    ),
    h("td", { class: "wide detail" }, h("span", null, h("span", { class: "mono" }, frame.path), h("br"), h("span", { class: "quiet small" }, frame.detail))),
    h("td", { class: "wide" }, quarantinePicture(frame)),
    h("td", { "data-label": "Size", class: "number" }, bytes(frame.size)),
    h("td", { "data-label": "Set aside" }, localTime(frame.finished_at)),
    may("reviewer") ? h("td", null, again) : null,
  );
}

function drawQuarantine() {
  at("more").hidden = quarantineNext === null;
  const head = [["Reason"], ["File"], ["Picture"], ["Size", "number"], ["Set aside"]];
  if (may("reviewer")) head.push([""]);
  at("quarantine").replaceChildren(
    quarantined.length > 0
      ? table(head, quarantined.map(quarantineRow))
      : empty("Nothing in quarantine", "Every file that arrived could be used."),
  );
}

async function loadQuarantine() {
  const limit = Math.min(200, Math.max(PAGE, quarantined.length));
  const page = await get(address("quarantine") + query({ limit }));
  quarantined = page.frames;
  quarantineNext = page.next;
  drawQuarantine();
}

async function loadMore() {
  try {
    const page = await get(address("quarantine") + query({ cursor: quarantineNext, limit: PAGE }));
    quarantined.push(...page.frames);
    quarantineNext = page.next;
    drawQuarantine();
  } catch (error) {
    notify(error.message, { error: true });
  }
}

async function refresh() {
  try {
    const [status] = await Promise.all([get(address("status")), loadQuarantine()]);
    trouble(null);
    at("asof").textContent = `as of ${localTime(status.now)}`;
    drawNumbers(status);
    drawProcesses(status);
    drawModel(status.model);
    drawBooks(status);
    drawDrift(status.drift);
  } catch (error) {
    trouble(error, refresh);
  }
}

at("more").addEventListener("click", loadMore);
followNews(refresh);
setInterval(refresh, 10000);
