// Touch on a chart over time: one finger pans, two zoom; a vertical swipe scrolls the page.

const LEAST_PX = 20; // limits the zoom when fingers are close together

/** Pan and zoom `chart` by touch; call `onRange(since, until)` when the last finger lifts. */
export function followFingers(chart, onRange) {
  const fingers = new Map(); // pointer id → x, px from the chart's left edge
  let start = null; // period shown and finger positions when a finger last touched or lifted
  let moved = false;
  const shown = () => ({ min: chart.scales.x.min, max: chart.scales.x.max });

  function begin() {
    start = { ...shown(), places: [...fingers.values()].slice(0, 2) };
  }

  function follow() {
    const width = chart.over.clientWidth;
    const perPx = (start.max - start.min) / width;
    const times = start.places.map((place) => start.min + place * perPx);
    const [first, second] = fingers.values();
    let span = start.max - start.min;
    if (start.places.length === 2) {
      const apart = Math.max(LEAST_PX, Math.abs(second - first));
      span = (Math.abs(times[1] - times[0]) * width) / apart;
    }
    // keep the time between the fingers under them
    const middle = start.places.length === 2 ? (first + second) / 2 : first;
    const time = times.length === 2 ? (times[0] + times[1]) / 2 : times[0];
    const min = time - (middle / width) * span;
    chart.setScale("x", { min, max: min + span });
  }

  function lift(event) {
    if (!fingers.delete(event.pointerId)) return;
    if (fingers.size > 0) begin();
    else if (moved) onRange(chart.scales.x.min, chart.scales.x.max);
  }

  const place = (event) => event.clientX - chart.over.getBoundingClientRect().left;
  chart.over.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "touch") return;
    if (fingers.size === 0) moved = false;
    fingers.set(event.pointerId, place(event));
    begin();
  });
  chart.over.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    fingers.set(event.pointerId, place(event));
    moved = true;
    follow();
  });
  chart.over.addEventListener("pointerup", lift);
  chart.over.addEventListener("pointercancel", lift);
}
