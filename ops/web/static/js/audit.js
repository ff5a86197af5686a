// Audit log page, for admins.

import { address, get, query } from "./api.js";
import { at, empty, h } from "./dom.js";
import { localTime, utcTime } from "./format.js";
import { notify, trouble } from "./notice.js";

const PAGE = 100;
const ACTIONS = {
  login: "logged in",
  login_failed: "failed login",
  logout: "logged out",
  session_revoked: "ended a session",
  token_made: "made a token",
  token_revoked: "revoked a token",
  account_added: "added an account",
  account_removed: "removed an account",
  role_changed: "changed a role",
  password_changed: "changed a password",
  second_factor_on: "switched one-time codes on",
  second_factor_off: "switched one-time codes off",
  upload: "uploaded an image",
  requeue: "requeued a frame",
  review: "reviewed",
  resolved: "called anomalies resolved",
  baseline_accepted: "accepted a baseline",
  model_activated: "activated a model",
};
const form = at("filters");
let next = null;

function filter() {
  const data = new FormData(form);
  const seconds = (name) => {
    const text = String(data.get(name) ?? "");
    return text ? new Date(text).getTime() / 1000 : "";
  };
  return {
    actor: String(data.get("actor") ?? "").trim(),
    action: data.get("action"),
    since: seconds("since"),
    until: seconds("until"),
  };
}

function rowOf(entry) {
  const cell = (label, text) => h("td", { "data-label": label }, text);
  return h(
    "tr",
    null,
    h("td", { "data-label": "Time", title: utcTime(entry.at) }, localTime(entry.at)),
    cell("Who", entry.actor || "unknown"),
    cell("How", entry.via),
    cell("Address", entry.address),
    cell("Action", ACTIONS[entry.action] ?? entry.action),
    h("td", { "data-label": "Subject", class: "wide detail" }, entry.subject),
    h("td", { "data-label": "Detail", class: "wide detail" }, entry.detail),
  );
}

async function load(cursor = null) {
  const page = await get(address("audit-log") + query({ ...filter(), cursor, limit: PAGE }));
  const rows = page.entries.map(rowOf);
  if (cursor === null) at("rows").replaceChildren(...rows);
  else at("rows").append(...rows);
  next = page.next;
  at("more").hidden = next === null;
  const none = at("rows").children.length === 0;
  at("table").hidden = none;
  at("nothing").hidden = !none;
  at("nothing").replaceChildren(empty("No entries", "Nothing matches the filter."));
}

async function refresh() {
  try {
    await load();
    trouble(null);
  } catch (error) {
    trouble(error, refresh);
  }
}

at("action").append(...Object.entries(ACTIONS).map(([value, name]) => h("option", { value }, name)));
form.addEventListener("change", refresh);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  refresh();
});
at("more").addEventListener("click", () => {
  load(next).catch((error) => notify(error.message, { error: true }));
});
refresh();
