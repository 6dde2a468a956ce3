"""Weiss reads the physical parameters of a magnetic film off a picture of its domains."""

__version__ = "0.1.0"
