"""How a student is trained: the trainer, one step of it, the processes that share it, and the state that outlives a kill."""
