// For pages that don't fetch the cameras themselves: keeps the count of unreviewed anomalies current.

import { address, get } from "./api.js";
import { onNews } from "./live.js";
import { showWaiting } from "./shell.js";

/** When data changed, call the page's `refresh` and update the count. */
export function followNews(refresh = async () => {}) {
  async function both() {
    const [list] = await Promise.all([get(address("cameras")), refresh()]);
    showWaiting(list.cameras.reduce((sum, camera) => sum + camera.unreviewed, 0));
  }
  // the page's refresh shows its own errors; if only the count fails, keep the previous one
  const safely = () => both().catch((error) => console.warn(error.message));
  safely();
  return onNews(safely);
}
