"""What `gantool compare` shows of several runs: a table, curves and grids."""
