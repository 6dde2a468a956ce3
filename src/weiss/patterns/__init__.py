"""Operations on domain patterns: binarising, windows, regions. NumPy only, no physics."""
