"""Building blocks shared by at least two models."""
