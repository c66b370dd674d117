"""Language models behind one small door: ask, record what was paid, never ask the same twice."""
