// The HTTP API: one function a kind of request. Every failure becomes an error that says what to do.

const BASE = "/api/v1";
/** @type {HTMLMetaElement | null} */
const tokenTag = document.querySelector('meta[name="csrf-token"]');
const TOKEN = tokenTag?.content ?? "";

// Who logs out is on the way to the login: a late 401 must not take that way over, with this page as "next".
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

/** A query string; what is null or empty is left out. */
export function query(values) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== null && value !== undefined && value !== "") search.set(name, value);
  }
  const text = search.toString();
  return text ? `?${text}` : "";
}

/** The address of something below the API, each part escaped: a camera's name may hold anything. */
export function address(...parts) {
  return `${BASE}/${parts.map((part) => encodeURIComponent(part)).join("/")}`;
}

async function problemOf(response) {
  let text = `The server answered ${response.status}.`;
  try {
    const problem = await response.json();
    text = problem.detail || problem.title || text;
  } catch {
    // no problem document: a proxy in between may have answered
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

/** A matrix of float32 as `{buffer, width, height, unit, source}`. */
export async function getMatrix(url, signal) {
  const response = await request(url, { signal, headers: { Accept: "application/octet-stream" } });
  const said = (name) => response.headers.get(name);
  return {
    buffer: await response.arrayBuffer(),
    width: Number(said("X-Width")),
    height: Number(said("X-Height")),
    unit: said("X-Unit"),
    source: said("X-Source"),
  };
}

/**
 * @param {string} url
 * @param {object} [body]
 */
export async function post(url, body) {
  const headers = { Accept: "application/json", "X-CSRF-Token": TOKEN };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await request(url, {
    method: "POST",
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return response.status === 204 ? null : response.json();
}
