"""The commands of `hcsd`: one module for each group of commands."""
