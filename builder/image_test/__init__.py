"""Builds the real Dockerfile without a Docker engine; the image does jobs without a network."""
