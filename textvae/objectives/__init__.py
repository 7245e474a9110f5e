"""What is minimised: rec + beta * rate + terms."""
