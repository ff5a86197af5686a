// Posts verdicts. Each is for a frame as it was shown: if another verdict came meanwhile, it is not stored.

import { address, post } from "./api.js";

/** Milliseconds for which a frame must have been shown before a verdict is taken to be about it. */
export const SETTLE_MS = 400;

/**
 * Post one verdict on all these results, as they were shown.
 * @param {{id: number, frame_id: string, version: number}[]} results
 * @returns {Promise<{done: {id: number, frame_id: string, version: number}[], conflicts: {result_id: number, detail: string}[]}>}
 *   `done`: those of which it was stored, with their new versions
 */
export async function postVerdict(results, verdict, note = "") {
  const answer = await post(address("reviews"), {
    result_ids: results.map((result) => result.id),
    verdict,
    note,
    seen: Object.fromEntries(
      results.map(({ id, frame_id, version }) => [id, { frame_id, version }]),
    ),
  });
  const done = results.filter(({ id }) => id in answer.versions);
  const gone = answer.unknown.map((id) => ({ result_id: id, detail: "this result has been deleted" }));
  return {
    done: done.map(({ id, frame_id }) => ({ id, frame_id, version: answer.versions[id] })),
    conflicts: [...answer.conflicts, ...gone],
  };
}

/** What was not stored, and why, as a text; null if everything was. */
export function conflictText(conflicts) {
  if (conflicts.length === 0) return null;
  const [first, ...others] = conflicts;
  const more = others.length > 0 ? ` (and ${others.length} more like it)` : "";
  return `Not stored for result ${first.result_id}${more}: ${first.detail}.`;
}
