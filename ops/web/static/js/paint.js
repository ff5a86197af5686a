// Draws a frame that has no stored pictures from its temperatures.

// Inferno (matplotlib, CC0), the palette of the stored pictures, sampled at nine points.
export const INFERNO = [
  [0, 0, 4],
  [31, 12, 72],
  [85, 15, 109],
  [136, 34, 106],
  [186, 54, 85],
  [227, 89, 51],
  [249, 140, 10],
  [249, 201, 50],
  [252, 255, 164],
];

function colour(share) {
  const place = Math.min(1, Math.max(0, share)) * (INFERNO.length - 1);
  const below = Math.min(INFERNO.length - 2, Math.floor(place));
  return INFERNO[below].map((channel, i) => channel + (INFERNO[below + 1][i] - channel) * (place - below));
}

/**
 * Draw `matrix` on a canvas.
 * @param {import("./values.js").Matrix} matrix
 * @param {string} label
 * @param {{low: number, high: number} | null} display ends of the palette; null: the matrix's own
 */
export function paint(matrix, label, display) {
  const canvas = document.createElement("canvas");
  canvas.width = matrix.width;
  canvas.height = matrix.height;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  let { low, high } = display ?? { low: Infinity, high: -Infinity };
  if (!display) {
    for (const value of matrix.data) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  const span = high - low || 1;
  const palette = Array.from({ length: 256 }, (_, i) => colour(i / 255));
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const image = context.createImageData(matrix.width, matrix.height);
  matrix.data.forEach((value, at) => {
    const [r, g, b] = palette[Math.round(Math.min(1, Math.max(0, (value - low) / span)) * 255)];
    image.data.set([r, g, b, 255], at * 4);
  });
  context.putImageData(image, 0, 0);
  return canvas;
}
