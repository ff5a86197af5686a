// Numbers, temperatures and times as text. Unknown values are a dash, never 0.

import { serverNow } from "./clock.js";

const UNKNOWN = "–";

/** A number with `decimals` decimal places and a typographic minus sign. */
export function number(value, decimals = 0) {
  if (value === null || value === undefined || Number.isNaN(value)) return UNKNOWN;
  const text = (Math.abs(value) < 0.5 / 10 ** decimals ? 0 : value).toLocaleString("en", {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  });
  return text.replace("-", "\u2212");
}

/** The unit's name: °C if the file is radiometric or a scale is declared, else counts. */
export function unitName(unit) {
  return unit === "celsius" ? "°C" : "counts";
}

export function temperature(value, unit) {
  if (value === null || value === undefined) return UNKNOWN;
  return `${number(value, unit === "celsius" ? 1 : 0)} ${unitName(unit)}`;
}

/** A difference of temperatures without its sign. */
export function difference(value, unit) {
  return `${number(Math.abs(value), unit === "celsius" ? 1 : 0)} ${unit === "celsius" ? "K" : "counts"}`;
}

/** A result's highest value. Where pixels are over range, that is all that is known of it. */
export function highest(result) {
  return result.saturated_px > 0
    ? "over range"
    : temperature(result.max_temperature, result.temperature_unit);
}

/** A result's lowest value, likewise. */
export function lowest(result) {
  return result.under_range_px > 0
    ? "under range"
    : temperature(result.min_temperature, result.temperature_unit);
}

/** One of a result's values (float32). Pixels out of range hold the extreme one. */
export function measured(value, result) {
  if (value >= Math.fround(result.max_temperature)) return highest(result);
  if (value <= Math.fround(result.min_temperature)) return lowest(result);
  return temperature(value, result.temperature_unit);
}

export function sigma(value, decimals = 2) {
  return value === null || value === undefined ? UNKNOWN : `${number(value, decimals)} σ`;
}

export function percent(share, decimals = 0) {
  return share === null || share === undefined ? UNKNOWN : `${number(share * 100, decimals)} %`;
}

/** A duration: 8 s, 5 min, 3 h, 12 d. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return UNKNOWN;
  const s = Math.max(0, seconds);
  if (s < 1) return "0 s";
  if (s < 90) return `${Math.round(s)} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  if (s < 129600) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} d`;
}

export function bytes(count) {
  if (count === null || count === undefined) return UNKNOWN;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${number(value, value < 10 && unit > 0 ? 1 : 0)} ${units[unit]}`;
}

function pad(value) {
  return String(value).padStart(2, "0");
}

/** A Date from RFC 3339 text or Unix seconds; null if there is none or it is invalid. */
export function instant(value) {
  if (value === null || value === undefined || value === "") return null;
  const date = typeof value === "number" ? new Date(value * 1000) : new Date(value);
  return Number.isNaN(date.getTime()) ? null : date;
}

/** Local time, to the second: 2026-07-01 14:03:22. */
export function localTime(value) {
  const date = instant(value);
  if (date === null) return UNKNOWN;
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return `${day} ${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

/** The text of a `datetime-local` field, which is local, as UTC for a link: 2026-07-01T08:00Z. */
export function linkTime(text) {
  const date = instant(text);
  return date === null ? "" : date.toISOString().replace(/(:00)?\.000Z$/, "Z");
}

/** The time of a link as the text of a `datetime-local` field; links made before are local already. */
export function fieldTime(text) {
  const date = instant(text);
  if (date === null) return "";
  return localTime(date.getTime() / 1000).replace(" ", "T").replace(/:00$/, "");
}

/** UTC time for a tooltip. */
export function utcTime(value) {
  const date = instant(value);
  return date === null ? "" : `${date.toISOString().slice(0, 19)}Z`;
}

/** Seconds since an instant, by the server's clock. */
export function ageOf(value) {
  const date = instant(value);
  return date === null ? null : serverNow() - date.getTime() / 1000;
}

export function ago(value) {
  const age = ageOf(value);
  return age === null ? UNKNOWN : `${duration(age)} ago`;
}

/** Whether a result's times of capture and arrival differ so much that both are shown. */
export function timesDiffer(result) {
  return Math.abs(result.captured_at - result.arrived_at) > 60;
}

export function plural(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}
