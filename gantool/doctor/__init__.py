"""What may go wrong in a game of two, and how one sees it."""
