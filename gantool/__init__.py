"""gantool: train, evaluate and use generative adversarial networks from one command line."""

__version__ = "0.1.0"
