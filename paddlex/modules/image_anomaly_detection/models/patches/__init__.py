"""What models that compare patch features share."""
