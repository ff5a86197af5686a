// The server's clock, by which all ages on the pages are told: this machine's may be wrong.

let skewS = 0; // server's clock minus this machine's

/** Note the server's time (Unix s) as it was in a response that has just come. */
export function noteServerTime(now) {
  skewS = now - Date.now() / 1000;
}

/** The server's time now, Unix s. */
export function serverNow() {
  return Date.now() / 1000 + skewS;
}
