"""PatchCore: a memory bank of patches of good parts."""
