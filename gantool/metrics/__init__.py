"""What is measured of a finished generator."""
