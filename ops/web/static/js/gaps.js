// Where a camera sent nothing, a chart must not draw a line.

const FAR = 5; // a gap is so many times as long as the usual interval
const LEAST_S = 10; // frames also come in bursts, whose usual interval is next to nothing

/**
 * `points` (with `at`, earliest first) with a point `{at, gap: [from, to]}` wherever the next one is far away.
 */
export function withGaps(points) {
  const intervals = points.slice(1).map((point, i) => point.at - points[i].at);
  const usual = [...intervals].sort((a, b) => a - b)[Math.floor(intervals.length / 2)];
  return points.flatMap((point, i) => {
    if (i === 0 || intervals[i - 1] <= Math.max(FAR * usual, LEAST_S)) return [point];
    const before = points[i - 1].at;
    return [{ at: (before + point.at) / 2, gap: [before, point.at] }, point];
  });
}
