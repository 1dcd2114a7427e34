"""Speed, memory and quality as ratios against what a user would do instead, in one run."""
