"""One thread for every test process: xdist runs one process per core."""

import os

os.environ["OMP_NUM_THREADS"] = "1"
