// Posts verdicts on one or many results.

import { address, post } from "./api.js";

/** Post one verdict on all these results; returns the ids that were reviewed. */
export async function postVerdict(ids, verdict, note = "") {
  if (ids.length === 1) {
    await post(address("results", ids[0], "review"), { verdict, note });
    return ids;
  }
  const answer = await post(address("reviews"), { result_ids: ids, verdict, note });
  return answer.reviewed;
}
