"""Commands for models: train, evaluate, score, register, accept a baseline."""
