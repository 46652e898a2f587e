"""What is done by the clock for people's rights."""
