enum PlaceholderRedivisSandbox {}
