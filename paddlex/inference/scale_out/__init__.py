"""Predict on Ray: many machines, one table."""
