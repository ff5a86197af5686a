// What deviates in a frame, and which hotspots are as hot as on normal frames, from its anomaly map.

import { difference, measured, plural, sigma } from "./format.js";
import { MAP_MARK } from "./scale.js";

/** Bounds of the connected region beyond `MAP_MARK`, of the same sign, that holds the pixel `start`. */
function regionOf({ data, width, height }, start) {
  const sign = Math.sign(data[start]);
  const seen = new Uint8Array(data.length);
  const open = [start];
  seen[start] = 1;
  let [left, right, top, bottom] = [width, 0, height, 0];
  while (open.length > 0) {
    const at = /** @type {number} */ (open.pop());
    const [column, row] = [at % width, Math.floor(at / width)];
    [left, right] = [Math.min(left, column), Math.max(right, column + 1)];
    [top, bottom] = [Math.min(top, row), Math.max(bottom, row + 1)];
    for (const [x, y] of [[column - 1, row], [column + 1, row], [column, row - 1], [column, row + 1]]) {
      const next = y * width + x;
      if (x < 0 || y < 0 || x >= width || y >= height || seen[next]) continue;
      if (data[next] * sign <= MAP_MARK) continue;
      seen[next] = 1;
      open.push(next);
    }
  }
  return { left: left / width, top: top / height, width: (right - left) / width, height: (bottom - top) / height };
}

/**
 * The extreme of an anomaly map: `{x, y, sigma, region}`, the centre of its pixel and the region around it
 * as shares of the sides; null if it is no larger than noise, as when a frame is unusual as a whole.
 * @param {import("./values.js").Matrix | null} map
 */
export function extreme(map) {
  if (!map) return null;
  let at = 0;
  map.data.forEach((value, i) => {
    if (Math.abs(value) > Math.abs(map.data[at])) at = i;
  });
  if (!(Math.abs(map.data[at]) > MAP_MARK)) return null;
  const [column, row] = [at % map.width, Math.floor(at / map.width)];
  const [x, y] = [(column + 0.5) / map.width, (row + 0.5) / map.height];
  return { x, y, sigma: map.data[at], region: regionOf(map, at) };
}

/**
 * "12.0 K colder than expected at x 20, y 5: 18.1 °C there, residual −10.5 σ"; null if nothing deviates.
 * "Colder than expected at …" if it was not measured by how much.
 * @param {ReturnType<typeof extreme>} spot
 * @param {import("./values.js").Matrix | null} values
 */
export function deviationText(result, spot, values) {
  const residual = spot && `residual ${sigma(spot.sigma, 1)}`;
  if (result.deviation !== null) {
    const [x, y] = [result.deviation_x, result.deviation_y];
    const there = values?.at((x + 0.5) / result.width, (y + 0.5) / result.height).value;
    const facts = [values && `${measured(there, result)} there`, residual].filter(Boolean);
    const size = difference(result.deviation, result.temperature_unit);
    const text = `${size} ${result.deviation < 0 ? "colder" : "hotter"} than expected at x ${x}, y ${y}`;
    return facts.length > 0 ? `${text}: ${facts.join(", ")}` : text;
  }
  if (spot === null) return null;
  const word = spot.sigma < 0 ? "Colder" : "Hotter";
  if (!values) return `${word} than expected: ${residual}`;
  const { value, column, row } = values.at(spot.x, spot.y);
  return `${word} than expected at x ${column}, y ${row}: ${measured(value, result)} there, ${residual}`;
}

/**
 * How many of the listed hotspots deviate, in words: a motor is hot on normal frames too.
 * @param {{bbox: [number, number, number, number]}[]} hotspots of an image of `width` × `height` px
 * @param {import("./values.js").Matrix | null} map
 */
export function hotspotText(hotspots, width, height, map) {
  const boxed = hotspots.filter((spot) => spot.bbox);
  if (!map || boxed.length === 0) return null;
  const hot = boxed.filter(({ bbox: [left, top, w, t] }) => {
    const [from, to] = [Math.floor((left / width) * map.width), Math.ceil(((left + w) / width) * map.width)];
    const [first, end] = [Math.floor((top / height) * map.height), Math.ceil(((top + t) / height) * map.height)];
    for (let row = first; row < end; row += 1) {
      for (let column = from; column < to; column += 1) {
        if (map.data[row * map.width + column] > MAP_MARK) return true;
      }
    }
    return false;
  }).length;
  const usual = boxed.length - hot;
  const parts = [];
  if (hot > 0) parts.push(`${plural(hot, "hotspot")} hotter than expected`);
  if (usual > 0) parts.push(`${plural(usual, "hotspot")} as hot as on normal frames`);
  return parts.join(", ");
}
