"""What is done once, at build time: weights, documents."""
