// Camera page: scores, threshold and temperatures over time, and the scores in the window.

import { address, get, post, query } from "./api.js";
import { histogram, isHeld, timeChart } from "./charts.js";
import { at, empty, h } from "./dom.js";
import { ago, localTime, number, percent, plural, sigma, temperature, unitName } from "./format.js";
import { onNews } from "./live.js";
import { notify, trouble } from "./notice.js";
import { showWaiting } from "./shell.js";
import { stateName, verdictName } from "./words.js";

const POINTS = 800;
const REFRESH_MS = 3000; // a day of a fast camera is expensive to query
const name = at("camera").dataset.name;
const removers = []; // functions that remove the charts
/** @type {NodeListOf<HTMLElement>} */
const rangeButtons = document.querySelectorAll("[data-hours]");
/** @type {any} */
let range = { hours: 24 }; // the last `hours`, all of them (null), or {since, until}
let series = null;
let distribution = null;
let loads = 0; // number of loads started

function wantedTimes() {
  if (range.since !== undefined) return range;
  if (range.hours === null) return {};
  const now = Date.now() / 1000;
  return { since: now - range.hours * 3600, until: now + 60 };
}

function lineText(point) {
  return (
    `${localTime(point.at)}: score ${sigma(point.score)}, threshold ${sigma(point.threshold)}` +
    (point.frames > 1 ? ` (the highest of ${number(point.frames)} frames)` : "")
  );
}

function drawCharts() {
  while (removers.length > 0) removers.pop()();
  const { points, anomalies } = series;
  const unit = series.temperature_unit;
  at("unit").textContent = unit ? unitName(unit) : "";
  if (points.length === 0) {
    const all = h("button", { class: "button", type: "button", onclick: () => show({ hours: null }) }, "Show all");
    at("scores").replaceChildren(empty("No frames in this period", "The camera sent nothing, or nothing was scored.", all));
    at("temperatures").replaceChildren();
    at("temperatures-readout").textContent = "";
    at("scores-readout").textContent = "";
    return;
  }
  at("scores-readout").textContent = "Point at the chart to read its values.";
  const wanted = wantedTimes();
  const least = Math.max(1, (points.at(-1).at - points[0].at) * 0.02);
  const shared = {
    range: range.since === undefined && range.hours === null
      ? [points[0].at - least, points.at(-1).at + least]
      : [wanted.since, wanted.until],
    times: points.map((point) => point.at),
    sync: "camera",
    onRange: (since, until) => show({ since, until }),
    onAll: () => show({ hours: null }),
    onFlag: (id) => location.assign(`/results/${id}`),
  };
  const flags = (value) =>
    anomalies.map((one) => ({
      at: one.at,
      id: one.id,
      value: one[value],
      hollow: one.review === "false_alarm",
    }));
  removers.push(
    timeChart(at("scores"), {
      ...shared,
      height: 260,
      lines: [
        { label: "score", values: points.map((p) => p.score), colour: "--ok" },
        { label: "threshold", values: points.map((p) => p.threshold), colour: "--quiet", dash: [6, 4] },
      ],
      flags: flags("score"),
      onHover: (index, flag) => {
        if (index === null) return;
        at("scores-readout").textContent = flag
          ? `${localTime(flag.at)}: flagged with ${sigma(flag.value)}. Click to open.`
          : lineText(points[index]);
        at("temperatures-readout").textContent =
          `${localTime(points[index].at)}: ${temperature(points[index].max_temperature, unit)}`;
      },
    }),
    timeChart(at("temperatures"), {
      ...shared,
      height: 180,
      lines: [{ label: "highest", values: points.map((p) => p.max_temperature), colour: "--accent" }],
      flags: flags("max_temperature"),
      onHover: () => {},
    }),
  );
}

function drawWindow() {
  const { counts, edges, threshold, body, baseline_body: usual } = distribution;
  if (counts.length === 0) {
    at("window").replaceChildren(h("p", { class: "quiet" }, "The window is empty until the camera's first frames are scored."));
    at("window-text").textContent = "";
    return;
  }
  const marks = [];
  if (body !== null) marks.push({ value: body, label: `body ${sigma(body)}`, colour: "--quiet" });
  if (threshold !== null) marks.push({ value: threshold, label: `threshold ${sigma(threshold)}`, colour: "--alarm" });
  removers.push(histogram(at("window"), { edges, counts, marks, height: 200 }));
  const moved = body !== null && usual ? ` Its body differs from the model's by ${percent(body / usual - 1)}.` : "";
  at("window-text").textContent =
    `${plural(distribution.window, "unflagged score")} of ${name}; a frame above the threshold is flagged.${moved}`;
}

function drawFlagged() {
  const { anomalies } = series;
  at("flagged").replaceChildren(
    anomalies.length === 0
      ? h("p", { class: "quiet" }, "None.")
      : h(
          "ul",
          { class: "flagged" },
          [...anomalies].reverse().map((one) =>
            h(
              "li",
              null,
              h(
                "a",
                { href: `/results/${one.id}` },
                h("b", null, localTime(one.at)),
                h("span", null, `${sigma(one.score)} over ${sigma(one.threshold)}`),
                h("span", null, temperature(one.max_temperature, series.temperature_unit)),
                h("span", { class: "quiet" }, verdictName(one.review)),
              ),
            ),
          ),
        ),
  );
}

function drawHead(cameras) {
  showWaiting(cameras.reduce((sum, camera) => sum + camera.unreviewed, 0));
  const camera = cameras.find((one) => one.name === name);
  if (!camera) throw new Error(`There is no camera named ${name}. See the wall for all cameras.`);
  at("state").replaceChildren(h("span", { class: `chip ${camera.state}` }, stateName(camera.state)));
  at("last").textContent = `last image ${ago(camera.last_frame_at)}`;
}

function drawRange() {
  for (const button of rangeButtons) {
    const hours = button.dataset.hours === "" ? null : Number(button.dataset.hours);
    button.setAttribute("aria-pressed", String(range.since === undefined && hours === range.hours));
  }
  const { since, until } = range;
  at("shown").textContent =
    (since === undefined ? "" : `${localTime(since)} to ${localTime(until)}, `) +
    plural(series.frames, "frame");
}

async function load() {
  loads += 1;
  const mine = loads;
  try {
    const [list, newSeries, newDistribution] = await Promise.all([
      get(address("cameras")),
      get(address("cameras", name, "series") + query({ ...wantedTimes(), points: POINTS })),
      get(address("cameras", name, "distribution")),
    ]);
    trouble(null);
    // drop outdated responses; don't redraw during a drag, the next update will do it
    if (mine !== loads || isHeld()) return;
    [series, distribution] = [newSeries, newDistribution];
    drawHead(list.cameras);
  } catch (error) {
    trouble(error, load);
    return;
  }
  drawRange();
  drawCharts();
  drawWindow();
  drawFlagged();
}

function show(wanted) {
  range = wanted;
  load();
}

/** Move the period shown by `by` times its length. */
function shift(by) {
  const [since, until] = [range.since ?? series?.since, range.until ?? series?.until];
  if (since === undefined) return;
  const length = Math.max(60, until - since);
  show({ since: since + by * length, until: until + by * length });
}

for (const button of rangeButtons) {
  button.addEventListener("click", () =>
    show({ hours: button.dataset.hours === "" ? null : Number(button.dataset.hours) }),
  );
}
at("earlier").addEventListener("click", () => shift(-0.5));
at("later").addEventListener("click", () => shift(0.5));
at("history").href = `/history${query({ camera: name })}`;
document.addEventListener("themechange", () => series && load());

if (at("accept")) {
  at("accept").addEventListener("click", () => at("accept-dialog").showModal());
  at("accept-no").addEventListener("click", () => at("accept-dialog").close());
  at("accept-yes").addEventListener("click", async () => {
    at("accept-dialog").close();
    try {
      const answer = await post(address("cameras", name, "accept-baseline"));
      notify(`${name} learns a new baseline from its next ${plural(answer.learn_frames, "frame")}`);
      await load();
    } catch (error) {
      notify(`The new baseline was not accepted. ${error.message}`, { error: true });
    }
  });
}

/** First load: show everything if the camera is new or sent nothing in the last 24 hours. */
async function first() {
  const list = await get(address("cameras")).catch(() => ({ cameras: [] })); // `load` reports the error
  const camera = list.cameras.find((one) => one.name === name);
  if (camera && camera.first_seen_at > Date.now() / 1000 - 24 * 3600) range = { hours: null };
  await load();
  if (series?.points.length === 0 && range.hours !== null) show({ hours: null });
}

await first();
// don't refresh a period that the user chose
onNews(async () => {
  if (range.since === undefined) await load();
}, REFRESH_MS);
