"""Networks: one file per family that has its own."""
