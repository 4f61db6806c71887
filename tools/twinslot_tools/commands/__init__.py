"""One module for each group of commands; `cli.py` puts them together."""
