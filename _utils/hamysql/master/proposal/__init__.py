"""From two machines to a pillar: what they have, what only a human knows, and the commented text."""
