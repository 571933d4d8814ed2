"""How abnormal an image is: scores, thresholds, and what `gantool detect` says and draws of them."""
