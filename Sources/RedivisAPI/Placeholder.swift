enum PlaceholderRedivisAPI {}
