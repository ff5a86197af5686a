// System page: processes, ledger counts, drift and quarantine.

import { address, get, post, query } from "./api.js";
import { at, empty, facts, h } from "./dom.js";
import { ago, bytes, duration, localTime, number, percent, plural, sigma } from "./format.js";
import { onNews } from "./live.js";
import { notify, trouble } from "./notice.js";
import { may } from "./shell.js";
import { quarantineReason } from "./words.js";

const LATE_S = 60; // warn if the oldest pending frame is older: the workers don't keep up
const FULL = 0.9; // warn above this used share of the disk
const FAR = 0.5; // warn beyond this drift
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
    card(number(counts.pending), "frames pending", late),
    card(
      status.oldest_pending_s === null ? "–" : duration(status.oldest_pending_s),
      "age of the oldest one",
      late,
    ),
    card(number(status.queue_jobs), status.queue_error ? "jobs: Redis is unreachable" : "jobs in the queue", Boolean(status.queue_error)),
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
    const text = `Unknown, because Redis cannot be reached: ${status.queue_error}`;
    at("workers").replaceChildren(none(text));
    at("producers").replaceChildren(none("Unknown."));
    return;
  }
  at("workers").replaceChildren(
    ...(status.workers.length > 0
      ? status.workers.map((worker) =>
          process(
            [worker.state, worker.state === "busy" ? "ok" : ""],
            worker.name,
            worker.last_sign_at ? `last heartbeat ${ago(worker.last_sign_at)}` : "no heartbeat yet",
          ),
        )
      : [none("No worker is running, so frames stay pending. Start one with `thermalwatch work` or `thermalwatch up`.")]),
  );
  at("producers").replaceChildren(
    ...(status.producers.length > 0
      ? status.producers.flatMap((producer) =>
          producer.roots.map((root) =>
            process(
              [root.mode, ""],
              root.root,
              `${plural(root.frames, "frame")} queued, ${root.settling} settling, scanned ` +
                (root.scanned_at ? ago(root.scanned_at) : "not yet") +
                (root.ignored ? `; ignored: ${root.ignored}` : "") +
                (root.refused ? `; ${root.refused} unreadable` : ""),
            ),
          ),
        )
      : [none("No producer is running, so new files are not noticed. Start one with `thermalwatch produce` or `thermalwatch up`.")]),
  );
}

function drawModel(model) {
  if (!model) {
    at("model").replaceChildren(
      h("p", { class: "quiet" }, "No model is active. Train one with `thermalwatch train`, then start with `--model`."),
    );
    return;
  }
  at("model").replaceChildren(
    facts([
      ["Model", h("span", { class: "mono" }, model.model_id.slice(0, 12))],
      ["Trained on", `${plural(model.images, "normal image")}`],
      ["Cameras", model.cameras.join(", ") || "any"],
      ["Input", `${model.width} × ${model.height} px, ${model.unit === "celsius" ? "°C" : "counts"}`],
    ]),
  );
}

function drawLedgerCounts({ counts, disk, version }) {
  const rows = [
    ["Frames seen", number(counts.seen)],
    ["Scored", number(counts.scored)],
    ["Superseded", number(counts.superseded)],
    ["Duplicates", number(counts.duplicate)],
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
    if (disk.database_bytes !== null) rows.push(["Database", bytes(disk.database_bytes)]);
  }
  at("counts").replaceChildren(facts(rows), ...parts);
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
    ? "learning its baseline"
    : drift.held
      ? "held: too many recent frames are flagged"
      : far
        ? "large drift: has the view changed? An administrator can accept a new baseline on the camera's page."
        : "normal";
  return h(
    "tr",
    null,
    h("td", { "data-label": "Camera", class: "wide" }, h("a", { href: `/cameras/${encodeURIComponent(drift.camera)}` }, drift.camera)),
    h("td", { class: "wide" }, bar),
    h("td", { "data-label": "Drift", class: "number" }, `${drift.drift > 0 ? "+" : ""}${percent(drift.drift)}`),
    h("td", { "data-label": "Threshold", class: "number" }, sigma(drift.threshold)),
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
  const head = [["Camera"], ["Distance from normal"], ["Drift", "number"], ["Threshold", "number"], ["Note"]];
  at("drift").replaceChildren(
    drifts.length > 0
      ? table(head, drifts.map(driftRow))
      : h("p", { class: "quiet" }, "Shown once a camera has scores."),
  );
}

async function requeue(frame, button) {
  button.disabled = true;
  try {
    await post(address("quarantine", frame.frame_id, "requeue"));
    notify(`${frame.path} is pending again`);
    await loadQuarantine();
  } catch (error) {
    button.disabled = false;
    notify(`The frame was not requeued. ${error.message}`, { error: true });
  }
}

/** The file as an image, or nothing if the browser cannot draw it. */
function quarantinePicture(frame) {
  if (!frame.picture) return null;
  const image = h("img", { class: "evidence", src: frame.picture, alt: "", loading: "lazy" });
  const name = `The file ${frame.path}`;
  const link = h("a", { href: frame.picture, target: "_blank", rel: "noopener", "aria-label": name }, image);
  image.addEventListener("error", () => link.remove());
  return link;
}

function quarantineRow(frame) {
  const again = h("button", { class: "button small-button", type: "button" }, "Try again");
  again.addEventListener("click", () => requeue(frame, again));
  again.setAttribute("aria-label", `Try again: ${frame.path}`);
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
    h("td", { "data-label": "Quarantined" }, localTime(frame.finished_at)),
    may("reviewer") ? h("td", null, again) : null,
  );
}

function drawQuarantine() {
  at("more").hidden = quarantineNext === null;
  const head = [["Reason"], ["File"], ["Picture"], ["Size", "number"], ["Quarantined"]];
  if (may("reviewer")) head.push([""]);
  at("quarantine").replaceChildren(
    quarantined.length > 0
      ? table(head, quarantined.map(quarantineRow))
      : empty("Nothing in quarantine", "Every file could be scored."),
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
    drawLedgerCounts(status);
    drawDrift(status.drift);
  } catch (error) {
    trouble(error, refresh);
  }
}

at("more").addEventListener("click", loadMore);
refresh();
onNews(refresh);
setInterval(refresh, 10000);
