"""Stores of vectors that others search: one file each, behind one Protocol."""
