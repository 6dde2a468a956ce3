"""Networks that read parameters off curves of simulations, or predict curves from parameters, and how sure they are.

Importing this package is cheap; torch is imported by the modules that need it.
"""
