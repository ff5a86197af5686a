// The temperatures and deviations of one frame, as numbers behind its pictures.

import { address, getMatrix } from "./api.js";

/** A matrix of float32 with its unit. */
export class Matrix {
  constructor({ buffer, width, height, unit, source }) {
    // the server sends little-endian; so are all machines that run a browser today
    this.data = new Float32Array(buffer);
    this.width = width;
    this.height = height;
    this.unit = unit;
    this.source = source;
  }

  /** The value at a place given as shares of width and height, each in [0, 1). */
  at(x, y) {
    const column = Math.min(this.width - 1, Math.max(0, Math.floor(x * this.width)));
    const row = Math.min(this.height - 1, Math.max(0, Math.floor(y * this.height)));
    return { value: this.data[row * this.width + column], column, row };
  }
}

/** Fetch the temperatures of a result, in its own unit. Raises `ApiError`. */
export async function fetchTemperatures(id, signal) {
  return new Matrix(await getMatrix(address("results", id, "values"), signal));
}

/** Fetch the anomaly map of a result, in σ; null if it was not kept. Raises `ApiError`. */
export async function fetchAnomalyMap(result, signal) {
  if (!result.has_values) return null;
  return new Matrix(await getMatrix(address("results", result.id, "anomaly-map"), signal));
}
