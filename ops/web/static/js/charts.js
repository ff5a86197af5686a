// Charts over time and the window's histogram, drawn by uPlot in the theme's colours.

import uPlot from "../vendor/uplot/uPlot.esm.js";
import { drawCeiling } from "./ceiling.js";
import { keepFocus, readByKeys } from "./chart_keys.js";
import { followFingers } from "./fingers.js";

const NEAR_PX = 14; // a click within this distance of a flagged frame opens it

let held = false; // a pointer is down on a chart
document.addEventListener("pointerdown", (event) => {
  held = event.target instanceof Element && event.target.closest(".u-over") !== null;
});
for (const end of /** @type {const} */ (["pointerup", "pointercancel"])) {
  document.addEventListener(end, (event) => {
    if (event.isPrimary) held = false;
  });
}

/** Whether a drag is in progress on a chart; redrawing would end it. */
export function isHeld() {
  return held;
}

function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// axis labels: 24-hour clock, day before month
const TIMES = [
  [3600 * 24 * 365, "{YYYY}", null, null, null, null, null, null, 1],
  [3600 * 24 * 28, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [3600 * 24, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [3600, "{HH}:{mm}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
  [60, "{HH}:{mm}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
];

function axis(more) {
  return {
    stroke: css("--quiet"),
    grid: { stroke: css("--line"), width: 1 },
    ticks: { stroke: css("--line"), width: 1, size: 5 },
    font: "12px system-ui, sans-serif",
    ...more,
  };
}

function sizeOf(box, height) {
  return { width: Math.max(200, box.clientWidth), height };
}

/** Resize the chart with its box; returns a function that removes the chart. */
function follow(chart, box, height) {
  const observer = new ResizeObserver(() => chart.setSize(sizeOf(box, height)));
  observer.observe(box);
  return () => {
    observer.disconnect();
    keepFocus(box);
    chart.destroy();
  };
}

/** uPlot mousedown handler: shift-drag pans, a plain drag zooms. */
function panOrSelect(onRange) {
  return (chart, target, handler) => (event) => {
    if (!event.shiftKey) return handler(event);
    event.preventDefault();
    const { min, max } = chart.scales.x;
    const perPx = (max - min) / chart.over.clientWidth;
    let by = 0;
    const move = (moved) => {
      by = (event.clientX - moved.clientX) * perPx;
      chart.setScale("x", { min: min + by, max: max + by });
    };
    const up = () => {
      document.removeEventListener("mousemove", move);
      document.removeEventListener("mouseup", up);
      if (by !== 0) onRange(min + by, max + by);
    };
    document.addEventListener("mousemove", move);
    document.addEventListener("mouseup", up);
    return null;
  };
}

/** The flagged frame nearest to a point in the chart, or null if none is near. */
function flagNear(chart, flags, left, top) {
  let nearest = null;
  let least = NEAR_PX;
  for (const flag of flags) {
    const far = Math.hypot(
      chart.valToPos(flag.at, "x") - left,
      chart.valToPos(flag.value, "y") - top,
    );
    if (far <= least) [nearest, least] = [flag, far];
  }
  return nearest;
}

function drawFlags(chart, flags) {
  const { ctx } = chart;
  const ratio = uPlot.pxRatio;
  ctx.save();
  ctx.setLineDash([]); // uPlot may have left a dash pattern set
  for (const flag of flags) {
    const x = chart.valToPos(flag.at, "x", true);
    const y = chart.valToPos(flag.value, "y", true);
    if (x < chart.bbox.left || x > chart.bbox.left + chart.bbox.width) continue;
    ctx.beginPath();
    ctx.arc(x, y, 5 * ratio, 0, 2 * Math.PI);
    // false alarms are hollow
    ctx.fillStyle = css(flag.hollow ? "--surface" : "--alarm");
    ctx.fill();
    ctx.lineWidth = 2 * ratio;
    ctx.strokeStyle = css("--alarm");
    ctx.stroke();
  }
  ctx.restore();
}

/**
 * Draw a chart over time; returns a function that removes it.
 *
 * `label` names it for screen readers. `lines` are `{label, values, colour, dash, fill}` over `times`; `flags` are `{at, value, id,
 * hollow}`; `ceiling` is `{at, above}`: values at `at` are over range, and those beyond `above` no
 * measured ones. Callbacks: `onRange(since, until)` on pan or zoom, `onHover(index, flag)` when the cursor
 * moves, `onFlag(id)` when a flagged frame is clicked, `onAll()` on a double click.
 * @param {HTMLElement} box
 * @param {any} options
 */
export function timeChart(box, { label, range, times, lines, flags, ceiling, height, sync, onRange, onHover, onFlag, onAll }) {
  box.replaceChildren();
  const near = (chart) => flagNear(chart, flags, chart.cursor.left, chart.cursor.top);
  let pressedAt = null;
  const labelledTicks = (_, ticks) => ticks.map((tick) => (ceiling && tick > ceiling.above ? null : tick));
  const chart = new uPlot(
    {
      ...sizeOf(box, height),
      legend: { show: false },
      scales: {
        x: { time: true },
        y: { range: { min: { pad: 0.08, soft: null, mode: 0 }, max: { pad: 0.1, soft: null, mode: 0 } } },
      },
      cursor: {
        sync: { key: sync },
        drag: { x: true, y: false, setScale: false },
        points: { size: 7 },
        bind: {
          mousedown: panOrSelect(onRange),
          dblclick: () => () => {
            onAll();
            return null;
          },
        },
      },
      axes: [axis({ values: TIMES, space: 70 }), axis({ size: 54, filter: labelledTicks })],
      series: [
        {},
        ...lines.map((line) => ({
          label: line.label,
          stroke: css(line.colour),
          width: 1.7,
          dash: line.dash,
          fill: line.fill ? css(line.fill) : undefined,
          points: { show: times.length < 60, size: 4, fill: css(line.colour) },
        })),
      ],
      hooks: {
        draw: [(u) => ceiling && drawCeiling(u, ceiling, css("--quiet"), uPlot.pxRatio), (u) => drawFlags(u, flags)],
        setCursor: [
          (u) => {
            const flag = near(u);
            u.over.classList.toggle("on-flag", flag !== null);
            onHover(u.cursor.idx ?? null, flag);
          },
        ],
        setSelect: [
          (u) => {
            if (u.select.width < 6) return;
            const since = u.posToVal(u.select.left, "x");
            const until = u.posToVal(u.select.left + u.select.width, "x");
            u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
            onRange(since, until);
          },
        ],
      },
    },
    [times, ...lines.map((line) => line.values)],
    box,
  );
  chart.setScale("x", { min: range[0], max: range[1] });
  followFingers(chart, onRange);
  readByKeys(chart, box, { label, values: lines[0].values, flags, onHover, onFlag });
  chart.over.addEventListener("mousedown", (event) => {
    pressedAt = event.clientX;
  });
  chart.over.addEventListener("click", (event) => {
    const flag = near(chart);
    // ignore the click event that ends a drag
    if (flag && Math.abs(event.clientX - pressedAt) < 4) onFlag(flag.id);
  });
  chart.over.addEventListener(
    "wheel",
    (event) => {
      const by = event.deltaX || (event.shiftKey ? event.deltaY : 0);
      if (by === 0) return;
      event.preventDefault();
      const { min, max } = chart.scales.x;
      const seconds = (by / chart.over.clientWidth) * (max - min);
      onRange(min + seconds, max + seconds);
    },
    { passive: false },
  );
  return follow(chart, box, height);
}

/** Draw a histogram of `counts` between `edges` with vertical marks `{value, label, colour}`. */
export function histogram(box, { edges, counts, marks, height }) {
  box.replaceChildren();
  const middles = counts.map((_, i) => (edges[i] + edges[i + 1]) / 2);
  const ends = [edges[0], edges[edges.length - 1], ...marks.map((mark) => mark.value)];
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const pad = (high - low) * 0.04 || 1;
  const chart = new uPlot(
    {
      ...sizeOf(box, height),
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: false, range: () => [low - pad, high + pad] },
        y: { range: (_, _min, max) => [0, (max || 1) * 1.3] },
      },
      axes: [
        axis({ values: (_, values) => values.map((value) => `${value} σ`), space: 60 }),
        axis({ size: 54 }),
      ],
      series: [
        {},
        {
          stroke: css("--ok"),
          fill: css("--ok"),
          paths: uPlot.paths.bars({ size: [0.92, 60], gap: 1 }),
          points: { show: false },
        },
      ],
      hooks: {
        draw: [
          (u) => {
            const { ctx, bbox } = u;
            const ratio = uPlot.pxRatio;
            ctx.save();
            ctx.font = `${12 * ratio}px system-ui, sans-serif`;
            marks.forEach((mark, row) => {
              const x = u.valToPos(mark.value, "x", true);
              ctx.strokeStyle = ctx.fillStyle = css(mark.colour);
              ctx.lineWidth = 2 * ratio;
              ctx.beginPath();
              ctx.moveTo(x, bbox.top);
              ctx.lineTo(x, bbox.top + bbox.height);
              ctx.stroke();
              const right = x > bbox.left + bbox.width / 2;
              ctx.textAlign = right ? "right" : "left";
              ctx.fillText(mark.label, x + (right ? -6 : 6) * ratio, bbox.top + (12 + 15 * row) * ratio);
            });
            ctx.restore();
          },
        ],
      },
    },
    [middles, counts],
    box,
  );
  return follow(chart, box, height);
}
