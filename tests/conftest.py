"""What holds for every test process."""

import os
import random

import pytest

os.environ["OMP_NUM_THREADS"] = "1"  # xdist runs one process per core; read when torch is imported
os.environ["SQLALCHEMY_SILENCE_UBER_WARNING"] = "1"  # Optuna's SQLAlchemy announces its successor, once


@pytest.fixture(autouse=True)
def _same_chance() -> None:
    """What a test draws does not depend on which tests ran before it in its process."""
    import numpy as np
    import torch

    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
