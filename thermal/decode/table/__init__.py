"""Text as thermography programs write it: lines, cells, and which of them are the image."""
