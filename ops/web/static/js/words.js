// Machine words of the rows in plain words, with what to do where there is something to do.

const REASONS = {
  residual: [
    "Local heat",
    "A spot is warmer or colder than the model expects at this place.",
  ],
  structure: [
    "Fault-like pattern",
    "The difference between picture and expectation has the shape that faults have.",
  ],
  density: [
    "Unusual as a whole",
    "The image lies away from everything that was seen in normal operation.",
  ],
};

// Workers of the previous release, which may run beside new ones, still write these.
REASONS.hotspot = REASONS.residual;
REASONS.level = REASONS.density;

const QUARANTINE = {
  empty: "The file has no content. Look at the camera's upload.",
  corrupt: "The file cannot be decoded. It was damaged or cut off on its way.",
  unsupported: "This kind of file is not read.",
  too_large: "The file is larger than the limits allow.",
  missing: "The file was gone before it was read. It comes back by itself if it shows up again.",
  unreadable: "The file may not be read. Check its permissions.",
  outside_root: "The path leads out of the watch directory.",
  not_regular: "It is no regular file.",
  unit_mismatch: "Its unit differs from what this camera's model was trained on.",
  failed: "Its batch failed again and again, so it was set aside. The worker's log says why.",
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
  return REASONS[word] ?? [word, "A rule of this name fired."];
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
