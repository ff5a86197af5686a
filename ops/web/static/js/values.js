// The temperatures and deviations of one frame, as numbers behind its pictures.

import { address, get } from "./api.js";

/** A matrix with its unit. */
class Matrix {
  constructor(answer) {
    this.width = answer.width;
    this.height = answer.height;
    this.unit = answer.unit;
    this.source = answer.source;
    this.rows = answer.values;
  }

  /** The value at a place given as shares of width and height, each in [0, 1). */
  at(x, y) {
    const column = Math.min(this.width - 1, Math.max(0, Math.floor(x * this.width)));
    const row = Math.min(this.height - 1, Math.max(0, Math.floor(y * this.height)));
    return { value: this.rows[row][column], column, row };
  }
}

/** Fetch the temperatures of a result, in its own unit. Raises `ApiError`. */
export async function fetchTemperatures(id, signal) {
  return new Matrix(await get(address("results", id, "values"), signal));
}

/** Fetch the anomaly map of a result, in σ. Raises `ApiError`. */
export async function fetchAnomalyMap(id, signal) {
  return new Matrix(await get(address("results", id, "anomaly-map"), signal));
}
