"""Normal images in, a calibrated model bundle out."""
