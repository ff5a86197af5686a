"""Files on disk: stored artifacts, uploads, and safe paths."""
