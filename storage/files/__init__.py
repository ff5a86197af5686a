"""Files on disk: pictures, kept values, uploads, and safe paths."""
