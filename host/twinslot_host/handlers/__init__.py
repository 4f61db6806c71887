"""HTTP: one file per surface or resource."""
