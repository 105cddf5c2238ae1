"""What the integration tests, the demo and the benches share."""
