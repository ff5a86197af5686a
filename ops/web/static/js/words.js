// Stored words and their text on the pages. Where the user can act, the text says how.

const REASONS = {
  residual: [
    "Local heat or cold",
    "A spot is warmer or colder than the model expects there.",
  ],
  structure: [
    "Fault-like pattern",
    "The difference from the reconstruction is shaped like a known fault.",
  ],
  density: [
    "Unusual as a whole",
    "The whole image is unlike anything seen in normal operation.",
  ],
  saturated: [
    "Over range",
    "Pixels are hotter than the camera can measure. How hot they are is not known.",
  ],
  under_range: [
    "Under range",
    "Pixels are colder than the camera can measure. How cold they are is not known.",
  ],
  unusable_pixels: [
    "Unusable pixels",
    "More than 1 % of the pixels measure nothing. What they cover is not seen.",
  ],
  implausible_time: [
    "Implausible time",
    "The file states a time of capture that cannot be. Set the camera's clock.",
  ],
  unread_data: [
    "Unread data",
    "Beside its picture the file holds much that is not read. It may be a thermogram.",
  ],
};

const TEMPERATURE_ORIGINS = {
  radiometric: "radiometric file",
  matrix: "written in the file",
  scale: "declared scale",
};

const CAPTURE_ORIGINS = {
  flir: "the file's FLIR record",
  exif: "the file's EXIF tags",
  tiff: "the file's TIFF tags",
  name: "the file's name",
  mtime: "the file's modification time",
};

/** The residual's text when the sign of its extreme is known. */
const RESIDUAL = {
  hot: ["Local heat", "A spot is warmer than the model expects there."],
  cold: ["Local cold", "A spot is colder than the model expects there."],
};

// Older rows and workers use these names for the same signals.
const FORMER_REASONS = { hotspot: "residual", level: "density" };

const QUARANTINE = {
  empty: "The file is empty. Check the camera's upload.",
  corrupt: "The file cannot be decoded. It is damaged or incomplete.",
  unsupported: "This file format is not supported.",
  too_large: "The file, or the memory it takes to decode it, is larger than the limits allow.",
  too_slow: "Decoding the file takes longer than the limits allow.",
  crashed: "Decoding the file ends the process that does it. It may be damaged on purpose.",
  missing: "The file disappeared before it was read. If it reappears, it is scored.",
  unreadable: "No permission to read this file. Check its permissions.",
  outside_root: "The path leads outside the watch directory.",
  not_regular: "Not a regular file.",
  unit_mismatch: "Unit or depth differ from what is declared or what the camera's model was trained on.",
  shape_mismatch: "The image is turned, cropped or too small for this camera's model.",
  failed: "Its batch failed repeatedly. The worker's log says why.",
};

const STATES = {
  ok: "OK",
  anomaly: "Anomaly",
  silent: "Silent",
  unreadable: "Unreadable",
  frozen: "Frozen",
  learning: "Learning",
};

const VERDICTS = {
  confirmed: "Confirmed",
  false_alarm: "False alarm",
  unreviewed: "Not reviewed",
};

/**
 * `[title, explanation]` of a reason.
 * @param {string} word
 * @param {string} [sign] `hot` or `cold`, if it is known which
 */
export function reason(word, sign = "") {
  const name = FORMER_REASONS[word] ?? word;
  if (name === "residual" && sign in RESIDUAL) return RESIDUAL[sign];
  return REASONS[name] ?? [word, "Flagged by a rule of this name."];
}

/** Where a result's °C come from; null for counts and results of older releases. */
export function temperatureOrigin(source) {
  return TEMPERATURE_ORIGINS[source] ?? null;
}

/** Where a result's time of capture comes from; null for results of older releases. */
export function captureOrigin(source) {
  return CAPTURE_ORIGINS[source] ?? null;
}

export function quarantineReason(word) {
  return QUARANTINE[word] ?? "";
}

export function stateName(state) {
  return STATES[state] ?? state;
}

export function verdictName(verdict) {
  return VERDICTS[verdict ?? "unreviewed"] ?? verdict;
}
