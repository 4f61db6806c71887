"""The Twinslot server: decides which device gets which release, and serves it."""
