// One-time codes on the account page: switching them on and off.

import { address, get, post } from "./api.js";
import { at, h } from "./dom.js";
import { plural } from "./format.js";
import { notify, trouble } from "./notice.js";

const PLACE = address("me", "second-factor");
let enabled = false;
let secret = "";

async function begin() {
  const made = await post(address("me", "second-factor", "secret"));
  secret = made.secret;
  at("codes-secret").replaceChildren(
    h("p", null, "Open ", h("a", { href: made.uri }, "this link"), " on the phone with the app, or type this key into the app:"),
    h("code", { class: "mono" }, secret.replace(/(.{4})(?=.)/g, "$1 ")),
  );
}

/** Show whether codes are needed, and what switches that. */
export async function showCodes() {
  try {
    const state = await get(PLACE);
    enabled = state.enabled;
    at("codes-state").textContent = enabled
      ? `On. ${plural(state.recovery_codes_left, "recovery code")} left.`
      : "Off. With an authenticator app, your logins need a code besides the password.";
    at("codes-secret").hidden = enabled;
    at("codes-code").hidden = enabled;
    at("codes-switch").textContent = enabled ? "Switch off" : "Switch on";
    if (!enabled) await begin();
  } catch (error) {
    trouble(error, showCodes);
  }
}

at("codes").addEventListener("submit", async (event) => {
  event.preventDefault();
  const data = new FormData(at("codes"));
  const password = data.get("password");
  try {
    if (enabled) {
      await post(address("me", "second-factor", "off"), { password });
      at("recovery").hidden = true;
    } else {
      const made = await post(PLACE, { password, secret, code: data.get("code") }, "PUT");
      at("recovery").hidden = false;
      at("recovery").replaceChildren(
        h("p", null, "Store these recovery codes. Each works once in place of a code; they are not shown again."),
        h("p", { class: "mono" }, made.recovery_codes.join(" ")),
      );
    }
    at("codes").reset();
    await showCodes();
  } catch (error) {
    notify(error.message, { error: true });
  }
});
