"""The detector: normalization, networks, density, score, and the bundle that holds them."""
