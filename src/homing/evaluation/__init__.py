"""Who finds the right passage more often, and how sure one can be of it."""
