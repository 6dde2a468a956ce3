"""Operations on domain patterns: binarising, windows, regions, crops. No physics; only crops needs torch."""
