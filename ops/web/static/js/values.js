// The values behind a result's pictures: temperatures and anomaly map.

import { address, getMatrix } from "./api.js";

/** A float32 matrix with its unit. */
export class Matrix {
  constructor({ buffer, width, height, step, unit, source }) {
    // the server sends little-endian, the byte order of every machine that runs a browser
    this.data = new Float32Array(buffer);
    this.width = width;
    this.height = height;
    this.step = step; // of a large image, each value is the highest of step × step pixels
    this.unit = unit;
    this.source = source;
  }

  /** The value at (x, y), each a fraction of width or height in [0, 1), and its first pixel. */
  at(x, y) {
    const column = Math.min(this.width - 1, Math.max(0, Math.floor(x * this.width)));
    const row = Math.min(this.height - 1, Math.max(0, Math.floor(y * this.height)));
    const value = this.data[row * this.width + column];
    return { value, column: column * this.step, row: row * this.step };
  }
}

/** Fetch a result's temperatures, in its unit. Throws `ApiError`. */
export async function fetchTemperatures(id, signal) {
  return new Matrix(await getMatrix(address("results", id, "values"), signal));
}

/** Fetch a result's anomaly map, in σ; null if it is not stored. Throws `ApiError`. */
export async function fetchAnomalyMap(result, signal) {
  if (!result.has_values) return null;
  return new Matrix(await getMatrix(address("results", result.id, "anomaly-map"), signal));
}
