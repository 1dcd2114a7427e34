"""worker-video: a JSON job in, a video out."""
