"""The rolling window of each camera and model, and its replay."""
