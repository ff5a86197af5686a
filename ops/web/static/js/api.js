// Client of the HTTP API. Every failure becomes an `ApiError` whose message says what to do.

const BASE = "/api/v1";
/** @type {HTMLMetaElement | null} */
const tokenTag = document.querySelector('meta[name="csrf-token"]');
const TOKEN = tokenTag?.content ?? "";

// During logout the browser is already on its way to the login page: a late 401 must not redirect
// there again, with this page as "next".
let loggingOut = false;
document.querySelector('form[action="/logout"]')?.addEventListener("submit", () => {
  loggingOut = true;
});

export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** A query string without the null and empty values. */
export function query(values) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== null && value !== undefined && value !== "") search.set(name, value);
  }
  const text = search.toString();
  return text ? `?${text}` : "";
}

/** URL of an API resource. Each part is escaped, because a camera's name may contain anything. */
export function address(...parts) {
  return `${BASE}/${parts.map((part) => encodeURIComponent(part)).join("/")}`;
}

async function problemOf(response) {
  let text = `The server answered ${response.status}.`;
  try {
    const problem = await response.json();
    text = problem.detail || problem.title || text;
  } catch {
    // not a problem document: perhaps a proxy answered
  }
  return new ApiError(String(text), response.status);
}

async function request(url, options) {
  let response;
  try {
    response = await fetch(url, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server cannot be reached. Is it running?", 0);
  }
  if (response.status === 401) {
    if (!loggingOut) location.assign(`/login${query({ next: location.pathname + location.search })}`);
    throw new ApiError("Your session has ended. Log in again.", 401);
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

/**
 * @param {string} url
 * @param {AbortSignal} [signal]
 */
export async function get(url, signal) {
  const response = await request(url, { signal, headers: { Accept: "application/json" } });
  return response.json();
}

/** Fetch a float32 matrix as `{buffer, width, height, unit, source}`. */
export async function getMatrix(url, signal) {
  const response = await request(url, { signal, headers: { Accept: "application/octet-stream" } });
  const header = (name) => response.headers.get(name);
  return {
    buffer: await response.arrayBuffer(),
    width: Number(header("X-Width")),
    height: Number(header("X-Height")),
    step: Number(header("X-Step")),
    unit: header("X-Unit"),
    source: header("X-Source"),
  };
}

/**
 * @param {string} url
 * @param {object} [body]
 * @param {"POST" | "PUT"} [method]
 */
export async function post(url, body, method = "POST") {
  const headers = { Accept: "application/json", "X-CSRF-Token": TOKEN };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await request(url, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return response.status === 204 ? null : response.json();
}

/** Delete what is at this URL. */
export async function remove(url) {
  await request(url, { method: "DELETE", headers: { "X-CSRF-Token": TOKEN } });
}
