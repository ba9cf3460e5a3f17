"""What is kept and what is handed out: checkpoints of the configuration, an undo, a support bundle without secrets."""
