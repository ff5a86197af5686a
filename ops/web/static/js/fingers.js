// Touch on a chart over time: one finger moves it, two stretch it; a vertical swipe scrolls the page.

const LEAST_PX = 20; // nearer fingers would stretch without bound

/** Call `onRange(since, until)` when the fingers have left the chart at another time. */
export function followFingers(chart, onRange) {
  const fingers = new Map(); // pointer → where it is, px from the chart's left
  let begun = null; // the time shown, and where the fingers were, when the last one came or went
  let moved = false;
  const shown = () => ({ min: chart.scales.x.min, max: chart.scales.x.max });

  function begin() {
    begun = { ...shown(), places: [...fingers.values()].slice(0, 2) };
  }

  function follow() {
    const width = chart.over.clientWidth;
    const perPx = (begun.max - begun.min) / width;
    const times = begun.places.map((place) => begun.min + place * perPx);
    const [first, second] = fingers.values();
    let span = begun.max - begun.min;
    if (begun.places.length === 2) {
      const apart = Math.max(LEAST_PX, Math.abs(second - first));
      span = (Math.abs(times[1] - times[0]) * width) / apart;
    }
    // what lay between the fingers stays between them
    const middle = begun.places.length === 2 ? (first + second) / 2 : first;
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
