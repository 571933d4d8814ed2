"""Many runs from one command: each job, what becomes of it, and what is shown of all."""
