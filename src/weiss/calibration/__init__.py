"""Which reading of the model is the paper's: films held against a table of the conditions that must work.

`outcomes` says what became of every film and how often that agrees with the table; `nucleation` says without simulating
whether a saturated film can reverse at all.
"""
