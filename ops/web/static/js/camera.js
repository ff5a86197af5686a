// Camera page: scores, threshold and temperatures over time, and the scores in the window.

import { agoTime } from "./ages.js";
import { address, get, post, query } from "./api.js";
import { ceilingOf } from "./ceiling.js";
import { serverNow } from "./clock.js";
import { histogram, isHeld, timeChart } from "./charts.js";
import { at, empty, h } from "./dom.js";
import { highest, localTime, number, percent, plural, sigma, unitName } from "./format.js";
import { withGaps } from "./gaps.js";
import { onNews } from "./live.js";
import { notify, trouble } from "./notice.js";
import { may } from "./shell.js";
import { stateChips } from "./tile.js";
import { verdictName } from "./words.js";

const POINTS = 800;
const REFRESH_MS = 3000; // a day of a fast camera is expensive to query
const POLL_MS = 30000;
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
  const now = serverNow();
  return { since: now - range.hours * 3600, until: now + 60 };
}

function lineText(point) {
  if (point.gap) return `No frames from ${localTime(point.gap[0])} to ${localTime(point.gap[1])}`;
  return (
    `${localTime(point.at)}: score ${sigma(point.score)}, threshold ${sigma(point.threshold)}` +
    (point.frames > 1 ? ` (the highest of ${number(point.frames)} frames)` : "")
  );
}

function temperatureText(point, unit) {
  return point.gap ? lineText(point) : `${localTime(point.at)}: ${highest({ ...point, temperature_unit: unit })}`;
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
  at("scores-readout").textContent = "Point at the chart, or use its arrow keys, to read its values.";
  const wanted = wantedTimes();
  const least = Math.max(1, (points.at(-1).at - points[0].at) * 0.02);
  const drawn = withGaps(points);
  const values = (name) => drawn.map((point) => point[name] ?? null);
  const shared = {
    range: range.since === undefined && range.hours === null
      ? [points[0].at - least, points.at(-1).at + least]
      : [wanted.since, wanted.until],
    times: drawn.map((point) => point.at),
    sync: "camera",
    onRange: (since, until) => show({ since, until }),
    onAll: () => show({ hours: null }),
    onFlag: (id) => location.assign(`/results/${id}`),
  };
  const ceiling = ceilingOf([...points, ...anomalies]);
  const height = (point) => (ceiling && point.saturated_px > 0 ? ceiling.at : (point.max_temperature ?? null));
  const flags = (valueOf) =>
    anomalies.map((one) => ({
      at: one.at,
      id: one.id,
      value: valueOf(one),
      one,
      hollow: one.review === "false_alarm",
    }));
  removers.push(
    timeChart(at("scores"), {
      ...shared,
      label: `Scores of ${name} against their threshold`,
      height: 260,
      lines: [
        { label: "score", values: values("score"), colour: "--ok" },
        { label: "threshold", values: values("threshold"), colour: "--quiet", dash: [6, 4] },
      ],
      flags: flags((one) => one.score),
      onHover: (index, flag) => {
        if (index === null) return;
        at("scores-readout").textContent = flag
          ? `${localTime(flag.at)}: flagged with ${sigma(flag.value)}. Click to open.`
          : lineText(drawn[index]);
        at("temperatures-readout").textContent = temperatureText(drawn[index], unit);
      },
    }),
    timeChart(at("temperatures"), {
      ...shared,
      label: `Highest temperatures of ${name}`,
      height: 180,
      lines: [{ label: "highest", values: drawn.map(height), colour: "--accent" }],
      flags: flags(height),
      ceiling,
      onHover: (index, flag) => {
        if (index === null) return;
        at("temperatures-readout").textContent = flag
          ? `${localTime(flag.at)}: flagged at ${highest({ ...flag.one, temperature_unit: unit })}. Click to open.`
          : temperatureText(drawn[index], unit);
      },
    }),
  );
}

function drawWindow() {
  if (distribution.error) {
    at("window").replaceChildren(h("p", { class: "quiet" }, distribution.error.message));
    at("window-text").textContent = "";
    return;
  }
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
                h("span", null, highest({ ...one, temperature_unit: series.temperature_unit })),
                h("span", { class: "quiet" }, verdictName(one.review)),
              ),
            ),
          ),
        ),
  );
}

/** What is open about this camera, and how it can be closed. */
function drawFinding({ finding, unreviewed, confirmed }) {
  const box = at("finding");
  box.hidden = finding === null;
  if (finding === null) return;
  const link = h("a", { href: `/results/${finding.id}` }, `the latest of ${localTime(finding.arrived_at)}`);
  if (unreviewed > 0) {
    const standing = confirmed > 0 ? `, and ${plural(confirmed, "confirmed one")}` : "";
    box.replaceChildren(
      h("span", null, h("strong", null, `${plural(unreviewed, "anomaly", "anomalies")} without a verdict: `), link, `${standing}.`),
      h("a", { class: "button", href: `/review${query({ camera: name })}` }, "Review"),
    );
    return;
  }
  const done = h("button", { class: "button", type: "button", onclick: () => resolveThrough(finding) }, "Resolved");
  box.replaceChildren(
    h("span", null, h("strong", null, `${plural(confirmed, "confirmed anomaly", "confirmed anomalies")}: `), link, ". Once it is repaired or over, call it resolved."),
    ...(may("reviewer") ? [done] : []),
  );
}

/** Only what the page has shown: what was confirmed meanwhile stays. */
async function resolveThrough(finding) {
  try {
    const { resolved } = await post(address("cameras", name, "resolve"), { through: finding.id });
    notify(`${plural(resolved.length, "confirmed anomaly is", "confirmed anomalies are")} resolved`);
  } catch (error) {
    notify(`Nothing was resolved. ${error.message}`, { error: true });
  }
  await refreshHead();
}

function drawHead(camera) {
  at("state").replaceChildren(...stateChips(camera));
  drawFinding(camera);
  const result = camera.last ? ["latest result ", agoTime(camera.last.arrived_at)] : ["nothing scored yet"];
  const isBehind = !camera.last || camera.last_frame_at > camera.last.arrived_at;
  const upload = isBehind ? [", latest upload ", agoTime(camera.last_frame_at)] : [];
  at("last").replaceChildren(...result, ...upload);
  at("clock").textContent = camera.clock === null ? "" : `camera clock ${camera.clock}`;
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
    const [newSeries, newDistribution] = await Promise.all([
      get(address("cameras", name, "series") + query({ ...wantedTimes(), points: POINTS })),
      // without Redis or a model the rest of the page can still be shown
      get(address("cameras", name, "distribution")).catch((error) => ({ error })),
    ]);
    trouble(null);
    // drop outdated responses; don't redraw during a drag, the next update will do it
    if (mine !== loads || isHeld()) return;
    [series, distribution] = [newSeries, newDistribution];
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

/** The head is about the present, whatever period the charts show. */
async function refreshHead() {
  try {
    drawHead(await get(address("cameras", name)));
  } catch (error) {
    trouble(error, refreshHead);
  }
}

/** First load: show everything if the camera is new or sent nothing in the last 24 hours. */
async function first() {
  const camera = await get(address("cameras", name)).catch(() => null); // `load` reports the error
  if (camera) drawHead(camera);
  if (camera && camera.first_seen_at > serverNow() - 24 * 3600) range = { hours: null };
  await load();
  if (series?.points.length === 0 && range.hours !== null) show({ hours: null });
}

await first();
onNews(refreshHead);
// a camera that falls silent causes no event, so poll as well
setInterval(refreshHead, POLL_MS);
// don't refresh a period that the user chose
onNews(async () => {
  if (range.since === undefined) await load();
}, REFRESH_MS);
