"""What the machine says of itself: power and load, behind one small interface."""
