"""Student-Teacher Feature Pyramid Matching."""
