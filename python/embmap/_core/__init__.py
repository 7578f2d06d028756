"""What a store is: its words, its rows, and how one is written."""
