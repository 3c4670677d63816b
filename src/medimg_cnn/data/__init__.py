"""From image files to splits that feed a model."""
