"""From a tuned model to where it is used: exports, a server, stores of vectors, the hub."""
