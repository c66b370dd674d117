"""Engines run a function over many items, in other processes; they never import a stage."""
