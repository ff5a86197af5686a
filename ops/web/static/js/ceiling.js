// Where a chart of temperatures shows what is over range: on a named line above all that was measured.

const ROOM = 0.25; // between that line and the highest measured value, as a share of what was measured
const LABEL_PX = 14;

/**
 * `{at, above}`: values at `at` stand for all over range, and no value beyond `above` was measured.
 * Null if none of the `points` is over range.
 */
export function ceilingOf(points) {
  const known = points.filter((point) => !(point.saturated_px > 0)).map((point) => point.max_temperature);
  if (known.length === points.length) return null;
  if (known.length === 0) return { at: 1, above: -Infinity };
  const above = Math.max(...known);
  return { at: above + Math.max(1, (above - Math.min(...known)) * ROOM), above };
}

/** Draw that line into a uPlot chart whose pixels are `ratio` times those of the page. */
export function drawCeiling(chart, { at }, colour, ratio) {
  const { ctx, bbox } = chart;
  const y = chart.valToPos(at, "y", true);
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.setLineDash([2 * ratio, 4 * ratio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.font = `${12 * ratio}px system-ui, sans-serif`;
  ctx.textAlign = "left";
  ctx.fillText("over range", bbox.left + 6 * ratio, y + LABEL_PX * ratio);
  ctx.restore();
}
