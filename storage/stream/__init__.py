"""The rolling window of each camera and model, and the replay of its decisions."""
