"""Commands about models: train, evaluate, score, register, accept a baseline."""
