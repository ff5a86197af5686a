// History page: filtered results with pagination. The filter is in the URL, so it can be shared.

import { address, get, query } from "./api.js";
import { at, empty, h } from "./dom.js";
import { fieldTime, highest, linkTime, localTime, plural, sigma, timesDiffer, utcTime } from "./format.js";
import { bindKeys } from "./keys.js";
import { onNews } from "./live.js";
import { trouble } from "./notice.js";
import { verdictName } from "./words.js";

const PAGE = 50;
const TIMES = ["since", "until", "captured_since", "captured_until"];
const NAMES = ["camera", ...TIMES, "prediction", "min_score", "review"];
const form = at("filters");
let nextCursor = null;
/** @type {AbortController | null} */
let asking = null;

/** The filter from the form; times are local. */
function fromForm() {
  const data = new FormData(form);
  return Object.fromEntries(NAMES.map((name) => [name, String(data.get(name) ?? "").trim()]));
}

/** The filter for the API; times are Unix seconds. */
function forApi(filter) {
  const seconds = (text) => (text ? new Date(text).getTime() / 1000 : "");
  return { ...filter, ...Object.fromEntries(TIMES.map((name) => [name, seconds(filter[name])])) };
}

function fromAddress() {
  const params = new URLSearchParams(location.search);
  for (const name of NAMES) {
    const field = form.elements[name];
    const linked = params.get(name) ?? "";
    const value = TIMES.includes(name) ? fieldTime(linked) : linked;
    // the list of cameras may not have arrived yet
    if (name === "camera" && value && ![...field.options].some((option) => option.value === value)) {
      field.append(h("option", { value }, value));
    }
    field.value = value;
  }
  return params.get("cursor");
}

function rowOf(result) {
  const anomaly = result.prediction === "Anomaly";
  const link = `/results/${result.id}`;
  const cell = (label, content, name = "") => h("td", { "data-label": label, class: name || null }, content);
  return h(
    "tr",
    {
      class: "linked",
      onclick: (event) => {
        if (!event.target.closest("a")) location.assign(link);
      },
    },
    cell(
      "Arrived",
      h(
        "span",
        null,
        h("a", { class: "row-link", href: link, title: utcTime(result.arrived_at) }, localTime(result.arrived_at)),
        timesDiffer(result)
          ? h("small", { class: "quiet", title: utcTime(result.captured_at) }, h("br"), `captured ${localTime(result.captured_at)}`)
          : null,
      ),
      "arrived",
    ),
    cell("Camera", h("span", null, result.camera), "wide"),
    cell("Prediction", h("span", { class: anomaly ? "chip anomaly" : "chip" }, result.prediction), "prediction"),
    cell("Score", sigma(result.score), "number"),
    cell("Threshold", sigma(result.threshold), "number"),
    cell("Highest", highest(result), "number"),
    cell("Review", anomaly || result.review ? verdictName(result.review) : "–"),
    cell("Image", h("span", { class: "mono", title: result.image_path }, result.image_path), "image wide"),
  );
}

function drawNothing(filter) {
  const filtered = NAMES.some((name) => filter[name]);
  at("nothing").replaceChildren(
    filtered
      ? empty(
          "No result matches this filter",
          "Choose a longer period or a lower score, or clear the filter.",
          h("button", { class: "button primary", type: "button", onclick: clear }, "Clear the filter"),
        )
      : empty(
          "No results yet",
          "Every scored image gets a row here. The system page shows what is pending.",
          h("a", { class: "button", href: "/system" }, "Open the system page"),
        ),
  );
}

async function load() {
  const cursor = fromAddress();
  const filter = fromForm();
  const api = forApi(filter);
  at("csv").href = address("results", "export.csv") + query(api);
  at("parquet").href = address("results", "export.parquet") + query(api);
  asking?.abort();
  asking = new AbortController();
  let page;
  try {
    page = await get(address("results") + query({ ...api, cursor, limit: PAGE }), asking.signal);
  } catch (error) {
    if (error.name !== "AbortError") trouble(error, load);
    return;
  }
  trouble(null);
  nextCursor = page.next;
  at("rows").replaceChildren(...page.results.map(rowOf));
  at("table").hidden = page.results.length === 0;
  at("nothing").hidden = page.results.length > 0;
  if (page.results.length === 0) drawNothing(filter);
  at("pages").hidden = page.results.length === 0 && cursor === null;
  at("older").disabled = nextCursor === null;
  at("newest").disabled = cursor === null;
  at("newer").disabled = cursor === null;
  at("shown").textContent =
    page.results.length > 0
      ? `${plural(page.results.length, "result")}${nextCursor ? ", more follow" : ""} · local time`
      : "";
}

/** Show what the filter says. Its times are UTC in the address, so that a link means the same everywhere. */
function go(values) {
  const times = TIMES.filter((name) => values[name]).map((name) => [name, linkTime(values[name])]);
  history.pushState(null, "", `/history${query({ ...values, ...Object.fromEntries(times) })}`);
  load();
}

function clear() {
  go({});
}

async function drawCameras() {
  const list = await get(address("cameras") + query({ recent: false }));
  const known = new Set([...at("camera").options].map((option) => option.value));
  at("camera").append(
    ...list.cameras
      .filter((camera) => !known.has(camera.name))
      .map((camera) => h("option", { value: camera.name }, camera.name)),
  );
}

const older = () => nextCursor && go({ ...fromForm(), cursor: nextCursor });
const newer = () => new URLSearchParams(location.search).has("cursor") && history.back();

form.addEventListener("change", () => go(fromForm()));
form.addEventListener("submit", (event) => {
  event.preventDefault();
  go(fromForm());
});
window.addEventListener("popstate", load);
at("clear").addEventListener("click", clear);
at("older").addEventListener("click", older);
at("newer").addEventListener("click", newer);
at("newest").addEventListener("click", () => go(fromForm()));
bindKeys({ ArrowRight: older, ArrowLeft: newer });

load();
drawCameras().catch((error) => trouble(error));
// refresh only the newest page, and not while the user edits the filter
onNews(async () => {
  if (!new URLSearchParams(location.search).has("cursor") && !form.contains(document.activeElement)) {
    await load();
  }
});
