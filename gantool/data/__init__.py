"""Sets of images and the module that feeds them to training."""
