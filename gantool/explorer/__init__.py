"""What `gantool explore` shows: what is to be computed, the pages, and the server for them."""
