"""What a picture set is, checked and read: no Paddle here."""
