// Charts by keyboard: the arrow keys move the cursor from value to value, Enter opens a flagged frame.

/**
 * Let `chart` in `box` be read by keyboard. Charts are often redrawn: focus and place are kept in `box`.
 * @param {any} chart a uPlot chart
 * @param {HTMLElement} box
 * @typedef {{at: number, value: number, id: number}} Flag
 * @param {{label: string, values: (number | null)[], flags: Flag[], onHover: (index: number, flag: Flag | null) => void, onFlag: (id: number) => void}} options
 *   `values`: of the line that the keys follow
 */
export function readByKeys(chart, box, { label, values, flags, onHover, onFlag }) {
  const { over } = chart;
  const [times] = chart.data;
  // flagged frames are read as well, whether the line has a point there or not
  const stops = [
    ...times.map((at, index) => ({ at, value: values[index], index, flag: null })),
    ...flags.map((flag) => ({ at: flag.at, value: flag.value, index: 0, flag })),
  ]
    .filter(({ value }) => value !== null)
    .sort((a, b) => a.at - b.at);
  over.tabIndex = 0;
  over.setAttribute("role", "application");
  over.setAttribute("aria-label", `${label}. The arrow keys read its values, Enter opens a flagged frame.`);
  let place = stops.findLastIndex(({ at }) => at <= Number(box.dataset.readAt ?? Infinity));

  function show() {
    const stop = stops[place];
    if (!stop) return;
    box.dataset.readAt = String(stop.at);
    chart.setCursor({ left: chart.valToPos(stop.at, "x"), top: chart.valToPos(stop.value, "y") });
    onHover(stop.index, stop.flag); // the cursor finds only one of several at the same pixel
  }

  over.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
    const flag = stops[place]?.flag;
    if (event.key === "Enter" && flag) onFlag(flag.id);
    if (!(event.key in steps)) return;
    event.preventDefault();
    event.stopPropagation();
    place = Math.min(stops.length - 1, Math.max(0, place + steps[event.key]));
    show();
  });
  if (box.dataset.focused) {
    delete box.dataset.focused;
    over.focus({ preventScroll: true });
    show();
  }
}

/** Note before a chart is removed that it has the focus. */
export function keepFocus(box) {
  if (box.contains(document.activeElement)) box.dataset.focused = "true";
}
