"""The only SQL of the server: one file per table, and the migrations that make them."""
