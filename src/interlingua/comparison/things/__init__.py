"""What tasks are made of: things seen, named and spoken, whole or damaged, and demonstrations."""
