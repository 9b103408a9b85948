"""What is compared: methods, each with as many parameters as the others, and what they cost."""
