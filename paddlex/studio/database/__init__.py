"""What a workspace remembers: tables, how they came to be what they are, and how they are opened."""
