// Stored words and their text on the pages. Where the user can act, the text says how.

const REASONS = {
  residual: [
    "Local heat",
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
};

// Older rows and workers use these names for the same signals.
const FORMER_REASONS = { hotspot: "residual", level: "density" };

const QUARANTINE = {
  empty: "The file is empty. Check the camera's upload.",
  corrupt: "The file cannot be decoded. It is damaged or incomplete.",
  unsupported: "This file format is not supported.",
  too_large: "The file is larger than the limits allow.",
  missing: "The file disappeared before it was read. If it reappears, it is scored.",
  unreadable: "No permission to read this file. Check its permissions.",
  outside_root: "The path leads outside the watch directory.",
  not_regular: "Not a regular file.",
  unit_mismatch: "The unit differs from the one this camera's model was trained on.",
  failed: "Its batch failed repeatedly. The worker's log says why.",
};

const STATES = {
  ok: "OK",
  anomaly: "Anomaly",
  silent: "Silent",
  learning: "Learning",
};

const VERDICTS = {
  confirmed: "Confirmed",
  false_alarm: "False alarm",
  unreviewed: "Not reviewed",
};

/** `[title, explanation]` of a reason. */
export function reason(word) {
  return REASONS[FORMER_REASONS[word] ?? word] ?? [word, "Flagged by a rule of this name."];
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
