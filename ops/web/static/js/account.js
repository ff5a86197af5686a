// Account page: the password, sessions and API tokens; admins see those of others too.

import { address, get, post, query, remove } from "./api.js";
import { at, h } from "./dom.js";
import { ago, localTime } from "./format.js";
import { notify, trouble } from "./notice.js";
import { showCodes } from "./codes.js";
import { may } from "./shell.js";

const SCOPES = { upload: "only uploads", viewer: "viewer", reviewer: "reviewer", admin: "admin" };

/** The account whose sessions and tokens are shown; null is one's own. */
const owner = () => (may("admin") ? at("owner").value : null);

const none = (text) => h("p", { class: "quiet" }, text);

function table(head, rows) {
  const cells = head.map((name) => h("th", { scope: "col" }, name));
  return h(
    "div",
    { class: "table-box" },
    h("table", { class: "cards" }, h("thead", null, h("tr", null, cells)), h("tbody", null, rows)),
  );
}

/** A button that ends a session or token. */
function endButton(text, name, url) {
  const button = h("button", { class: "button small-button", type: "button", "aria-label": `${text} ${name}` }, text);
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await remove(url);
      notify(`${name} has ended`);
      await refresh();
    } catch (error) {
      button.disabled = false;
      notify(error.message, { error: true });
    }
  });
  return button;
}

function sessionRow(session) {
  const cell = (label, content) => h("td", { "data-label": label }, content);
  const name = `session of ${localTime(session.created_at)}`;
  return h(
    "tr",
    null,
    cell("Logged in", localTime(session.created_at)),
    cell("Last use", session.current ? "now, in this browser" : ago(session.last_used_at)),
    cell("Address", session.address),
    h("td", { "data-label": "Browser", class: "wide detail" }, session.user_agent),
    cell("Ends", localTime(session.expires_at)),
    h("td", null, session.current ? null : endButton("End", name, address("sessions", session.id))),
  );
}

function tokenRow(token) {
  const cell = (label, content) => h("td", { "data-label": label }, content);
  return h(
    "tr",
    null,
    h("td", { "data-label": "Name", class: "wide" }, token.name),
    cell("Allows", SCOPES[token.scope]),
    cell("Made", localTime(token.created_at)),
    cell("Last use", token.last_used_at === null ? "not used" : ago(token.last_used_at)),
    cell("Expires", token.expires_at === null ? "never: replace it" : localTime(token.expires_at)),
    h("td", null, endButton("Revoke", token.name, address("tokens", token.id))),
  );
}

async function refresh() {
  const asked = owner();
  try {
    const whose = query({ account: asked });
    const [sessions, tokens] = await Promise.all([
      get(address("sessions") + whose),
      get(address("tokens") + whose),
    ]);
    if (asked !== owner()) return; // another account was chosen meanwhile
    trouble(null);
    at("sessions").replaceChildren(
      sessions.sessions.length > 0
        ? table(["Logged in", "Last use", "Address", "Browser", "Ends", ""], sessions.sessions.map(sessionRow))
        : none("No sessions."),
    );
    at("tokens").replaceChildren(
      tokens.tokens.length > 0
        ? table(["Name", "Allows", "Made", "Last use", "Expires", ""], tokens.tokens.map(tokenRow))
        : none("No tokens."),
    );
  } catch (error) {
    trouble(error, refresh);
  }
}

/** Show those of the chosen account. The rows of the previous one go at once: a click in between
 * would end a session of the wrong person. */
function showOwner() {
  for (const name of ["sessions", "tokens"]) at(name).replaceChildren(none("Loading…"));
  return refresh();
}

async function listOwners() {
  const own = owner();
  const { accounts } = await get(address("accounts"));
  at("owner").replaceChildren(
    ...accounts.map(({ name }) => h("option", { value: name, selected: name === own }, name)),
  );
  at("owner").addEventListener("change", showOwner);
}

at("password").addEventListener("submit", async (event) => {
  event.preventDefault();
  const data = new FormData(at("password"));
  try {
    await post(address("me", "password"), { current: data.get("current"), new: data.get("new") });
    at("password").reset();
    notify("Your password is changed");
    await refresh();
  } catch (error) {
    notify(`The password was not changed: ${error.message}`, { error: true });
  }
});

at("new-token").addEventListener("submit", async (event) => {
  event.preventDefault();
  const data = new FormData(at("new-token"));
  try {
    const body = { name: data.get("name"), scope: data.get("scope"), days: Number(data.get("days")) };
    const { token } = await post(address("tokens"), body);
    at("new-token").reset();
    at("made").hidden = false;
    at("made").replaceChildren(
      h("p", null, "Copy it now: it is not shown again."),
      h("code", { class: "mono" }, token),
    );
    await refresh();
  } catch (error) {
    notify(`No token was made: ${error.message}`, { error: true });
  }
});

if (may("admin")) listOwners().catch((error) => notify(error.message, { error: true }));
showCodes();
refresh();
