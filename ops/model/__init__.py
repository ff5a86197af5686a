"""Training, scoring and baselines, as commands and the HTTP API use them."""
