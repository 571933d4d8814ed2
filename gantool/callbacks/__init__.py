"""What happens beside the mathematics: stopping, checkpoints, samples, progress."""
