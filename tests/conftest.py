"""What holds for every test process."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # xdist runs one process per core
os.environ["SQLALCHEMY_SILENCE_UBER_WARNING"] = "1"  # Optuna's SQLAlchemy announces its successor, once
