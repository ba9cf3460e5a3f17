"""What all rooms need: where a lab keeps its things, which nodes it has, this machine, errors, locks, and what a person sees."""
