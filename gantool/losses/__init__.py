"""What each player minimises."""
