// Result page: pictures, decision, reasons and reviews.

import { address, get } from "./api.js";
import { at, facts, h } from "./dom.js";
import { chips, explained, nameSign } from "./explained.js";
import { duration, localTime, number, percent, sigma, temperature } from "./format.js";
import { bindKeys } from "./keys.js";
import { onNews } from "./live.js";
import { notify, trouble } from "./notice.js";
import { may } from "./shell.js";
import { SETTLE_MS, conflictText, postVerdict } from "./verdicts.js";
import { Viewer } from "./viewer.js";
import { captureOrigin, temperatureOrigin, verdictName } from "./words.js";

const id = Number(at("title").dataset.id);
let sign = ""; // hot or cold, once it is known
const viewer = new Viewer(at("viewer"), (found) => {
  sign = found;
  nameSign(at("facts"), sign);
});
let shown = null; // the result as it is on the page
let settledAt = 0; // from when a verdict is about what is shown (performance.now())
let busy = false;

function reviewRows(reviews) {
  return reviews.map((review) =>
    h(
      "div",
      { class: "review-row" },
      h("b", null, verdictName(review.verdict)),
      h("span", { class: "quiet" }, ` · ${review.reviewer} · ${localTime(review.at)}`),
      review.note ? h("p", null, review.note) : null,
    ),
  );
}

/** The value as text; null, which is not shown, if it is not known. */
function known(value, text) {
  return value === null ? null : text(value);
}

function decisionFacts(result) {
  return facts([
    ["Previous threshold", sigma(result.previous_threshold)],
    ["Body of the window", sigma(result.body)],
    ["Window", `${number(result.window_n)} scores, ${number(result.exceeding)} at or above this one`],
    ["p-value", result.p_value.toPrecision(3)],
    ["Mean squared error", result.mse.toPrecision(4)],
    ["Position in stream", number(result.seq)],
    ["Stream held", result.held ? "yes: too many recent frames are flagged" : "no"],
    ["Image", `${result.width} × ${result.height} px, ${result.bit_depth} bits`],
    ["Temperatures from", temperatureOrigin(result.temperature_source)],
    ["Emissivity", known(result.emissivity, (value) => number(value, 3))],
    ["Emissivity set in the camera", known(result.camera_emissivity, (value) => number(value, 3))],
    ["Reflected temperature", known(result.reflected_c, (value) => temperature(value, "celsius"))],
    ["Distance", known(result.distance_m, (value) => `${number(value, 1)} m`)],
    ["Air", known(result.atmosphere_c, (value) => temperature(value, "celsius"))],
    ["Humidity", known(result.humidity, (value) => percent(value))],
    ["Window transmission", known(result.window_transmission, (value) => number(value, 3))],
    ["Window", known(result.window_c, (value) => temperature(value, "celsius"))],
    ["Time of capture from", captureOrigin(result.captured_at_source)],
    ["Scored", localTime(result.scored_at)],
    ["Time from file to result", duration(result.latency_s)],
    ["Worker", result.worker],
    ["Model", h("span", { class: "mono" }, result.model_id.slice(0, 12))],
    ["Frame", h("span", { class: "mono" }, result.frame_id)],
    ["SHA-256", h("span", { class: "mono" }, result.sha256)],
  ]);
}

async function refresh() {
  let result;
  try {
    result = await get(address("results", id));
  } catch (error) {
    trouble(error, refresh);
    return;
  }
  trouble(null);
  at("result").hidden = false;
  sayChange(shown, result);
  const isFirst = shown === null;
  shown = result;
  if (may("reviewer")) {
    at("withdraw").hidden = result.review === null;
    // a missed anomaly can be confirmed too
    const flagged = result.prediction === "Anomaly";
    at("confirm").firstElementChild.textContent = flagged ? "Confirm" : "It is an anomaly";
    at("false-alarm").hidden = !flagged && result.review !== "confirmed";
  }
  at("title").textContent = `${result.camera}, ${localTime(result.arrived_at)}`;
  at("chips").replaceChildren(...chips(result));
  at("facts").replaceChildren(...explained(result).slice(1));
  nameSign(at("facts"), sign);
  at("reviews").hidden = result.reviews.length === 0;
  at("reviews").replaceChildren(h("h2", null, "Reviews"), ...reviewRows(result.reviews));
  if (!isFirst) return;
  at("more-facts").append(decisionFacts(result));
  at("links").replaceChildren(
    ...(result.pictures.sheet
      ? [h("a", { class: "button", href: result.pictures.sheet, download: `result-${id}.png` }, "All four as PNG")]
      : []),
  );
  viewer.show(result);
}

/** Somebody else's verdict must not be overruled by one that was meant for the state before. */
function sayChange(before, now) {
  if (before === null || before.version === now.version || busy) return;
  const [review] = now.reviews;
  notify(`${review.reviewer} has reviewed this result: ${verdictName(review.verdict)}`);
  settledAt = performance.now() + SETTLE_MS;
}

async function decide(verdict) {
  if (shown === null || busy || performance.now() < settledAt) return;
  busy = true;
  try {
    const { done, conflicts } = await postVerdict([shown], verdict, at("note").value.trim());
    if (done.length > 0) {
      at("note").value = "";
      notify(verdict === "unreviewed" ? "Verdict withdrawn" : verdictName(verdict));
    }
    const refused = conflictText(conflicts);
    if (refused) notify(refused, { error: true });
    await refresh();
  } catch (error) {
    notify(`The verdict was not stored. ${error.message}`, { error: true });
  } finally {
    busy = false;
  }
}

const keys = { b: () => viewer.toggleMode() };
if (may("reviewer")) {
  at("confirm").addEventListener("click", () => decide("confirmed"));
  at("false-alarm").addEventListener("click", () => decide("false_alarm"));
  at("withdraw").addEventListener("click", () => decide("unreviewed"));
  Object.assign(keys, {
    c: () => decide("confirmed"),
    f: () => decide("false_alarm"),
    n: () => at("note").focus(),
  });
}
bindKeys(keys);
refresh();
onNews(refresh);
