"""Qualifying a model before a line starts: how well it repeats itself, agrees with people, and finds what it must find."""
