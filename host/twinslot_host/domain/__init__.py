"""Pure rules: no files, no network, no clock of their own."""
