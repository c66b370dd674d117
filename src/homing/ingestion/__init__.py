"""Files in, passages out: finding, reading, cleaning and chunking documents."""
