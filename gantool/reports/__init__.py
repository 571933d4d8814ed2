"""What `gantool report` shows: a page for a run, and one for a folder of runs."""
