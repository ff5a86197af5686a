// Result page: pictures, decision, reasons and reviews.

import { address, get } from "./api.js";
import { at, facts, h } from "./dom.js";
import { chips, explained } from "./explained.js";
import { duration, localTime, number, sigma } from "./format.js";
import { bindKeys } from "./keys.js";
import { notify, trouble } from "./notice.js";
import { may } from "./shell.js";
import { postVerdict } from "./verdicts.js";
import { Viewer } from "./viewer.js";
import { followNews } from "./waiting.js";
import { verdictName } from "./words.js";

const id = Number(at("title").dataset.id);
const viewer = new Viewer(at("viewer"));
let shown = false;

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
  if (may("reviewer")) {
    // a missed anomaly can be confirmed too
    const flagged = result.prediction === "Anomaly";
    at("confirm").firstElementChild.textContent = flagged ? "Confirm" : "It is an anomaly";
    at("false-alarm").hidden = !flagged && result.review !== "confirmed";
  }
  at("title").textContent = `${result.camera}, ${localTime(result.captured_at)}`;
  at("chips").replaceChildren(...chips(result));
  at("facts").replaceChildren(...explained(result).slice(1));
  at("reviews").hidden = result.reviews.length === 0;
  at("reviews").replaceChildren(h("h2", null, "Reviews"), ...reviewRows(result.reviews));
  if (shown) return;
  shown = true;
  at("more-facts").append(decisionFacts(result));
  at("links").replaceChildren(
    ...(result.pictures.sheet
      ? [h("a", { class: "button", href: result.pictures.sheet, download: `result-${id}.png` }, "All four as PNG")]
      : []),
  );
  viewer.show(result);
}

async function decide(verdict) {
  try {
    await postVerdict([id], verdict, at("note").value.trim());
    at("note").value = "";
    notify(verdictName(verdict));
  } catch (error) {
    notify(`The verdict was not stored. ${error.message}`, { error: true });
    return;
  }
  await refresh();
}

const keys = { b: () => viewer.toggleMode() };
if (may("reviewer")) {
  at("confirm").addEventListener("click", () => decide("confirmed"));
  at("false-alarm").addEventListener("click", () => decide("false_alarm"));
  Object.assign(keys, {
    c: () => decide("confirmed"),
    f: () => decide("false_alarm"),
    n: () => at("note").focus(),
  });
}
bindKeys(keys);
followNews(refresh);
