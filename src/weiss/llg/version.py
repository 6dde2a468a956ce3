"""Version of the micromagnetic numerics: part of every film's id, so raise it when results change."""

SIM_VERSION = 1
