"""What D sees images through: differentiable, and random for each sample."""
