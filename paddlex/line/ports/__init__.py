"""How triggers come in and answers go out."""
