"""Settings, and the wiring of processes from them."""
