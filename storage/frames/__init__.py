"""The ledger: every frame and its outcome."""
