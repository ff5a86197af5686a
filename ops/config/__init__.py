"""Settings, and the one place where processes are wired from them."""
