"""The integral lens: ReLU made smooth by integrating over basis functions."""
