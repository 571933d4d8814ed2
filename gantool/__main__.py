"""`python -m gantool`, and `torchrun -m gantool`."""

from gantool.cli import main

main()
