"""How a batch becomes duels: one file per kind of task."""
