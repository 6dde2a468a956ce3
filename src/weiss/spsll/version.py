"""Version of the numerics, part of every point's identity: raise it when a point's numbers change."""

SIM_VERSION = 1
