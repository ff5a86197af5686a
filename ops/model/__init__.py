"""Training, scoring and baselines, as commands and pages ask for them."""
