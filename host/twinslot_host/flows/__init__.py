"""What the server does, step by step: rules from `domain`, rows from `store`, one transaction each."""
