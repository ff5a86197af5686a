// For pages that do not fetch the cameras themselves: the number of anomalies that wait.

import { address, get } from "./api.js";
import { onNews } from "./live.js";
import { showWaiting } from "./shell.js";

/** Follow the news; `refresh` is what the page itself does about them. */
export function followNews(refresh = async () => {}) {
  async function both() {
    const [list] = await Promise.all([get(address("cameras")), refresh()]);
    showWaiting(list.cameras.reduce((sum, camera) => sum + camera.unreviewed, 0));
  }
  // the page's own refresh tells its own trouble; a count that fails leaves the last one standing
  const safely = () => both().catch((error) => console.warn(error.message));
  safely();
  return onNews(safely);
}
