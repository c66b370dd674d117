"""Homing: fine-tune an embedding model on your own documents, and learn whether it helped."""

__version__ = "0.1.0"
