"""What the command line needs besides the commands."""
